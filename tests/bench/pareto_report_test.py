"""The report of bench/pareto on cells that are made up."""

import json
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "bench/pareto"))

import report  # noqa: E402
import systems  # noqa: E402

ARTICLES = 8


def point(weights, rewards):
    values = {name: [value] * ARTICLES for name, value in zip(("rouge", "nli"), rewards)}
    return {"weights": weights, "summaries": ARTICLES, "articles": {"rewards": values}}


def cell(system, seed, points):
    return {"system": system, "seed": seed, "settings": {"steps": 5}, "training_minutes": 2.0, "points": points}


class ReportTest(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.place = pathlib.Path(self.folder.name) / "rouge_nli"
        self.place.mkdir()
        self.write("reference.json", {"rewards": ["rouge", "nli"], "points": [point([.5, .5], [0.1, 0.1])]})
        for seed, higher in ((1, 0.0), (2, 0.2)):
            self.write(f"attn-seed{seed}.json", cell("attn", seed, [
                point([1, 0], [1.0 + higher, 0.5]), point([0, 1], [0.5, 1.0 + higher])]))
        self.write("soups-seed1.json", cell("soups", 1, [point([1, 0], [0.5, 0.5]), point([0, 1], [0.5, 0.5])]))
        self.task = report.Task(self.place)

    def write(self, name, content):
        (self.place / name).write_text(json.dumps(content))

    def test_a_curve_is_the_mean_over_seeds_and_articles(self):
        self.assertEqual(self.task.curve("attn"), [[1.1, 0.5], [0.5, 1.1]])
        self.assertEqual(self.task.curve("attn", seeds=[1, 1])[0], [1.2, 0.5])

    def test_hypervolume_counts_from_the_reference_minus_the_margin(self):
        self.assertAlmostEqual(self.task.volume("soups"), 0.25)
        self.assertAlmostEqual(self.task.over_soups("attn"), (2 * 1.1 * 0.5 - 0.25) / 0.25)

    def test_rewards_that_follow_their_weights_steer(self):
        self.assertEqual(self.task.steering("attn"), [1.0, 1.0])
        self.assertEqual(self.task.steering("soups"), [0.0, 0.0])

    def test_the_table_has_a_line_per_system(self):
        lines = report.table(self.task).splitlines()
        self.assertIn("| attn | 2 | 5 | 0.850 [", lines[6])
        self.assertIn("| soups | 1 | 5 | 0.250 [0.250, 0.250] | 1.000 [1.000, 1.000] | 0.000 [0.000, 0.000] | 0 of 0 |", lines[7])

    def test_inside_counts_weightings_that_are_no_vertex(self):
        self.write("attn-seed1.json", cell("attn", 1, [point([1, 0], [9, 9]), point([.5, .5], [.7, .6])]))
        self.write("soups-seed1.json", cell("soups", 1, [point([1, 0], [0, 0]), point([.5, .5], [.5, .5])]))
        (self.place / "attn-seed2.json").unlink()
        task = report.Task(self.place)
        self.assertAlmostEqual(task.inside_over_soups("attn"), 0.15)
        self.assertEqual(task.dominated_soups("attn"), "1 of 1")

    def test_samples_stand_by_weighting(self):
        points = [point([1, 0], [1, 0]), point([.5, .5], [1, 0])]
        for one, text in zip(points, ("short", "a | longer one")):
            one["articles"]["summaries"] = [text]
        self.write("attn-seed1.json", {**cell("attn", 1, points), "differ_between_vertices": 0.5})
        task = report.Task(self.place)
        self.assertIn("| 1 | short | a / longer one |", report.samples(task, "attn"))
        self.assertEqual(task.differ("attn"), "50 %")
        self.assertEqual(task.differ("soups"), "-")


class SystemsTest(unittest.TestCase):

    def configuration(self, system):
        ranges = {"rouge_lsum": [10, 30], "nli": [-7, 0]}
        return systems.configuration(system, ("rouge", "nli"), ranges, {"alpha": 0.01, "steps": 7})

    def test_soups_go_round_the_vertices_and_prompting_says_the_weights(self):
        self.assertEqual(self.configuration("soups")["sampling"], {"vertices": True})
        prompting = self.configuration("prompting")
        self.assertEqual(prompting["policy"]["prompt_labels"], ["rouge", "nli"])
        self.assertEqual(prompting["policy"]["variant"], "none")
        self.assertNotIn("prompt_labels", self.configuration("attn")["policy"])

    def test_settings_are_keys_and_ranges_go_by_score(self):
        attn = self.configuration("attn")
        self.assertEqual(attn["steps"], 7)
        self.assertNotIn("alpha", attn)
        self.assertEqual(attn["rewards"][0], {"name": "rouge", "score": "rouge_lsum", "range": [10, 30]})

    def test_every_weighting_lies_on_the_simplex(self):
        for rewards in systems.TASKS.values():
            for weights in systems.weightings(rewards):
                self.assertEqual(len(weights), len(rewards))
                self.assertAlmostEqual(sum(weights), 1.0)


if __name__ == "__main__":
    unittest.main()
