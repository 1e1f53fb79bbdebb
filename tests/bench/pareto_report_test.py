"""The report of bench/pareto on cells that are made up."""

import json
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "bench/pareto"))

import cells  # noqa: E402
import claims  # noqa: E402
import report  # noqa: E402
import systems  # noqa: E402

ARTICLES = 8


def point(weights, rewards, alpha=0.01, kl=1.0):
    values = {name: [value] * ARTICLES for name, value in zip(("rouge", "nli"), rewards)}
    return {"alpha": alpha, "weights": weights, "summaries": ARTICLES, "words": 5.0, "sampled": {"kl": kl, "value": 0.5},
            "articles": {"rewards": values}}


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
        self.task = cells.Task(self.place)

    def write(self, name, content):
        (self.place / name).write_text(json.dumps(content))

    def test_a_curve_is_the_mean_over_seeds_and_articles(self):
        self.assertEqual(self.task.curve("attn"), [[1.1, 0.5], [0.5, 1.1]])
        self.assertEqual(self.task.curve("attn", seeds=[1, 1])[0], [1.2, 0.5])

    def test_hypervolume_counts_from_the_reference_minus_the_margin(self):
        self.assertAlmostEqual(self.task.volume("soups"), 0.25)
        self.assertAlmostEqual(self.task.volume_over("soups")("attn"), (2 * 1.1 * 0.5 - 0.25) / 0.25)

    def test_rewards_that_follow_their_weights_steer(self):
        self.assertEqual(self.task.steering("attn"), [1.0, 1.0])
        self.assertEqual(self.task.steering("soups"), [0.0, 0.0])

    def test_the_table_has_a_line_per_system(self):
        lines = report.table(self.task).splitlines()
        self.assertIn("| attn | 2 | 5 | 0.850 [", lines[4])
        self.assertIn("| soups | 1 | 5 | 0.250 [0.250, 0.250] | 1.000 [1.000, 1.000] | 0.000 [0.000, 0.000] | 0 of 0 |", lines[5])

    def test_inside_counts_weightings_that_are_no_vertex(self):
        self.write("attn-seed1.json", cell("attn", 1, [point([1, 0], [9, 9]), point([.5, .5], [.7, .6])]))
        self.write("soups-seed1.json", cell("soups", 1, [point([1, 0], [0, 0]), point([.5, .5], [.5, .5])]))
        (self.place / "attn-seed2.json").unlink()
        task = cells.Task(self.place)
        self.assertAlmostEqual(task.inside_over("soups")("attn"), 0.15)
        self.assertEqual(task.dominated("attn", "soups"), "1 of 1")

    def test_samples_stand_by_weighting(self):
        points = [point([1, 0], [1, 0]), point([.5, .5], [1, 0])]
        for one, text in zip(points, ("short", "a | longer one")):
            one["articles"]["summaries"] = [text]
        self.write("attn-seed1.json", {**cell("attn", 1, points), "differ_between_vertices": 0.5})
        task = cells.Task(self.place)
        self.assertIn("| 1 | short | a / longer one |", report.samples(task, "attn"))
        self.assertEqual(task.differ("attn"), "50 %")
        self.assertEqual(task.differ("soups"), "-")


class ClaimsTest(ReportTest):

    def say(self, claim):
        return " ".join(claim(self.task))

    def test_dominance_is_told_with_its_interval_and_the_vertices(self):
        said = self.say(claims.dominance)
        self.assertIn("attn 3.400 [", said)
        self.assertIn("at the vertices soups are ahead of attn by -0.600, -0.600.", said)
        self.assertEqual(self.say(claims.spreads), "")

    def test_what_was_not_run_is_said_to_be_so(self):
        page = claims.page([self.task])
        self.assertIn("**(e) softmdp mixing steers better than linear.**\n\n- Not run.", page)

    def test_a_better_trade_off_against_the_reference_has_more_area(self):
        for system, rewards in (("full", (.9, .5)), ("dera", (.8, .5)), ("full_linear", (.5, .5))):
            self.write(f"{system}-seed1.json", cell(system, 1, [
                point([.5, .5], [rewards[0]] * 2, 0.01, 2.0), point([.5, .5], [rewards[1]] * 2, 0.1, 1.0),
                point([.5, .5], [.1, .1], 1, 0.0)]))
        (self.place / "attn-seed1.json").unlink()
        (self.place / "attn-seed2.json").unlink()
        (self.place / "soups-seed1.json").unlink()
        self.task = cells.Task(self.place)
        self.assertAlmostEqual(claims.area(self.task, "full"), 0.4)
        self.assertIn("full 0.400, dera 0.400 (ratio 1.00)", self.say(claims.realignment))
        self.assertIn("full: rank correlation of KL with alpha -1.00", self.say(claims.mixing))
        self.assertIn("| full | 1 | 0.900 at 2.00 | 0.500 at 1.00 | 0.100 at 0.00 | -1.00 |", report.alphas_table(self.task))


class SystemsTest(unittest.TestCase):

    def configuration(self, system, task="rouge_nli"):
        ranges = {"rouge_lsum": [10, 30], "nli": [-7, 0]}
        return systems.configuration(system, task, ranges, {"alpha": 0.01, "steps": 7})

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

    def test_single_objective_runs_have_the_steps_of_all_rewards(self):
        self.assertEqual(self.configuration("single")["steps"], 14)

    def test_what_a_task_fixes_stays_fixed_and_a_system_may_fix_more(self):
        self.assertEqual(self.configuration("full", "composite")["sampling"], {"w": [.1, .9]})
        self.assertEqual(self.configuration("dera", "composite")["sampling"], {"w": [.1, .9], "alpha": 0.01})
        self.assertEqual(self.configuration("full", "composite")["policy"]["mixing"], "softmdp")
        self.assertEqual(self.configuration("full_linear", "composite")["policy"]["mixing"], "linear")

    def test_every_weighting_lies_on_the_simplex(self):
        for task in systems.TASKS.values():
            for weights, _ in task.steerings:
                self.assertEqual(len(weights), len(task.rewards))
                self.assertAlmostEqual(sum(weights), 1.0)

    def test_alphas_below_the_least_are_lifted_to_it_and_stand_once(self):
        self.assertEqual([alpha for _, alpha in systems.steerings("composite", .05)], [.05, .1, .2, .3, .5, .7, 1])
        self.assertEqual(systems.steerings("precision_recall", .05)[0], ((1, 0), None))

    def test_alphas_are_stated_for_all_steerings_of_a_task_or_for_none(self):
        for task in systems.TASKS.values():
            self.assertEqual(len({alpha is None for _, alpha in task.steerings}), 1)


if __name__ == "__main__":
    unittest.main()
