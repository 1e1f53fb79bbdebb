"""The pairwise judgements of bench/pareto: the paper's rule, and what judges are asked."""

import contextlib
import io
import json
import pathlib
import shlex
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "bench/pareto"))

import pairwise  # noqa: E402

LONGER = "import json, sys\nfor q in map(json.loads, sys.stdin): print('a' if len(q['a']) > len(q['b']) else 'b')"
FIRST = "import sys\nfor _ in sys.stdin: print('a')"
# Stands in for `trimtab-trainer score --texts FILE --judges DIR`.
SCORES = "import json, sys\nfor text in map(json.loads, open(sys.argv[3])): print(json.dumps({'letters': len(text['summary'])}))"


def program(code):
    return f"{sys.executable} -c {shlex.quote(code)}"


class RuleTest(unittest.TestCase):

    def test_a_judge_that_changes_its_mind_with_the_order_prefers_neither(self):
        self.assertEqual(pairwise.preferred("a", "b"), "one")
        self.assertEqual(pairwise.preferred("b", "a"), "other")
        for answers in (("a", "a"), ("b", "b"), ("tie", "tie"), ("a", "tie"), ("tie", "a")):
            self.assertIsNone(pairwise.preferred(*answers), answers)

    def test_who_is_preferred_and_never_its_rival_wins(self):
        self.assertEqual(pairwise.winner(["one", "one"]), "one")
        self.assertEqual(pairwise.winner([None, "one"]), "one")
        self.assertEqual(pairwise.winner(["other", None]), "other")
        self.assertEqual(pairwise.winner(["one", "other"]), "tie")
        self.assertEqual(pairwise.winner([None, None]), "tie")
        self.assertEqual(pairwise.winner(["other"]), "other")

    def test_the_lead_is_wins_less_losses_with_an_interval_around_it(self):
        winners = ["one"] * 60 + ["tie"] * 10 + ["other"] * 30
        self.assertEqual(pairwise.counts(winners), (60, 10, 30))
        gain, low, high = pairwise.lead(winners)
        self.assertAlmostEqual(gain, 0.3)
        self.assertTrue(0.05 < low < 0.3 < high < 0.55, (low, high))
        self.assertEqual(pairwise.lead(["one"] * 5), (1.0, 1.0, 1.0))


class JudgeTest(unittest.TestCase):

    def test_a_program_is_asked_in_both_orders(self):
        asked = []

        def ask(questions):
            asked.extend(questions)
            return ["tie"] * len(questions)
        pairwise.compare(["d"], ["x"], ["y"], ask)
        self.assertEqual(asked, [{"document": "d", "a": "x", "b": "y"}, {"document": "d", "a": "y", "b": "x"}])

    def test_a_program_that_reads_and_one_that_always_says_the_first(self):
        texts = ["d\n1", "d2"], ["longer", "s"], ["short", "than this"]
        self.assertEqual(pairwise.compare(*texts, pairwise.command_judge(program(LONGER))), ["one", "other"])
        self.assertEqual(pairwise.compare(*texts, pairwise.command_judge(program(FIRST))), [None, None])

    def test_a_program_that_answers_otherwise_is_named(self):
        for code in ("print('a')", FIRST.replace("'a'", "'first'")):
            with self.assertRaisesRegex(pairwise.Problem, "expected a line a, b or tie for each"):
                pairwise.compare(["d"], ["x"], ["y"], pairwise.command_judge(program(code)))

    def test_a_score_prefers_more_of_it_and_ties_where_it_is_equal(self):
        with tempfile.TemporaryDirectory() as folder:
            trainer = pathlib.Path(folder) / "trainer"
            trainer.write_text(f"#!{sys.executable}\n{SCORES}\n")
            trainer.chmod(0o755)
            texts = ["d", "e", "e"], ["longer", "s", "same"], ["short", "than this", "size"]
            references = {"d": "", "e": ""}
            ask = pairwise.score_judge("letters", str(trainer), "judges", references)
            self.assertEqual(pairwise.compare(*texts, ask), ["one", "other", None])
            with self.assertRaisesRegex(pairwise.Problem, "no score nli; there are letters"):
                pairwise.compare(*texts, pairwise.score_judge("nli", str(trainer), "judges", references))


class FilesTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.points = [self.point([.8, .2], .01, ["a long one", "x"]), self.point([.2, .8], .01, ["s", "y"]),
                       self.point([.2, .8], 1, ["r", "r"])]

    @staticmethod
    def point(weights, alpha, summaries):
        return {"alpha": alpha, "weights": weights, "articles": {"summaries": summaries}}

    def write(self, name, text):
        (self.folder / name).write_text(text)
        return self.folder / name

    def test_cells_and_lines_of_evaluate_read_alike(self):
        for path in (self.write("cell.json", json.dumps({"points": self.points}) + "\n"),
                     self.write("lines.jsonl", "".join(json.dumps(point) + "\n" for point in self.points))):
            self.assertEqual(pairwise.summaries(path, [.8, 1 - .8]), ["a long one", "x"])
            self.assertEqual(pairwise.summaries(path, [.2, .8], 1), ["r", "r"])
            with self.assertRaisesRegex(pairwise.Problem, "2 points at 0.2,0.8, expected one; it has 0.8,0.2@0.01 "):
                pairwise.summaries(path, [.2, .8])
            with self.assertRaisesRegex(pairwise.Problem, "0 points at 0.5,0.5"):
                pairwise.summaries(path, [.5, .5])

    def test_the_whole_says_who_won(self):
        one = self.write("one.json", json.dumps({"points": self.points}))
        other = self.write("other.json", json.dumps({"points": [self.point([.8, .2], .01, ["short", "long"])]}))
        corpus = self.write("corpus.jsonl", '{"document": "d", "summary": "s"}\n{"document": "e", "summary": "s"}\n')
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            pairwise.run(pairwise.parser().parse_args([
                str(one), str(other), "--corpus", str(corpus), "--compare", "0.8,0.2@0.01", program(LONGER),
                "--compare", "0.8,0.2", program(FIRST)]))
        self.assertIn("prefers: one 50.0 %, other 50.0 %, neither 0.0 %", said.getvalue())
        self.assertIn("2 articles: 1 wins, 0 ties, 1 losses of one against other; wins less losses +0.0 % [-100.0, +100.0]",
                      said.getvalue())


if __name__ == "__main__":
    unittest.main()
