"""bench/pareto/run.py from end to end on a model so small that it says nothing: trained cells, and their table.

TRIMTAB_TRAINER names the program.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "bench/pareto"))

import cells  # noqa: E402
import report  # noqa: E402
import systems  # noqa: E402

TRAINER = os.environ["TRIMTAB_TRAINER"]
WORDS = "text sails words and more of it the ship a tool does".split()
ARTICLES = 24


class RunTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.work = pathlib.Path(folder.name)
        self.reference = self.work / "reference"
        texts = [[WORDS[(i * k + i // 11) % 12] for k in range(3, 9)] for i in range(1, ARTICLES + 1)]
        examples = [{"document": " ".join(text), "summary": " ".join(text[:2 + i % 2]), "consistent": i % 3 > 0}
                    for i, text in enumerate(texts)]
        for name in ("train", "valid"):
            (self.work / f"{name}.jsonl").write_text("".join(json.dumps(example) + "\n" for example in examples))
        # It has learned so much that its scores differ from article to article, which ranges need.
        self.learn("finetune", "--tokenizer", ROOT / "tests/testing/tiny.spiece.model", "--d-model", 32, "--heads", 2, "--d-ff",
                   64, "--layers", 2, "--steps", 30, "--batch", 12, "--warmup", 5, "--out", self.reference)
        self.learn("reward-model", "consistency", "--model", self.reference, "--encoder-layers", 1, "--decoder-layers", 1,
                   "--steps", 2, "--batch", 4, "--out", self.reference / "reward_models/nli")

    def learn(self, *arguments):
        """Of the articles; the judge too."""
        subprocess.run([TRAINER, *map(str, arguments), "--train", self.work / "train.jsonl", "--valid",
                        self.work / "valid.jsonl", "--valid-count", "1", "--threads", "1"],
                       check=True, stdout=subprocess.DEVNULL)

    def run_cells(self):
        """What it says it wrote."""
        said = subprocess.run([sys.executable, "-B", ROOT / "bench/pareto/run.py", "--reference", self.reference, "--corpus",
                               self.work, "--work", self.work / "runs", "--out", self.work / "results", "--trainer", TRAINER,
                               "--tasks", "composite", "--systems", "dera", "--seeds", "1", "--steps", "2", "--batch",
                               "2", "--count", str(ARTICLES), "--max-new-tokens", "8", "--max-input-tokens", "32",
                               "--threads", "1"], check=True, text=True, stdout=subprocess.PIPE).stdout
        return [pathlib.Path(line.split()[1]).name for line in said.splitlines()]

    def test_cells_are_trained_and_evaluated_once_and_tabulated(self):
        self.assertEqual(self.run_cells(), ["reference.json", "dera-seed1.json"])
        self.assertEqual(self.run_cells(), [])
        task = cells.Task(self.work / "results/composite")
        points = task.seeds("dera")[0]["points"]
        self.assertEqual([point["alpha"] for point in points], list(systems.ALPHAS))
        self.assertEqual(points[0]["summaries"], ARTICLES)
        self.assertAlmostEqual(points[-1]["sampled"]["kl"], 0, places=3)
        self.assertIn("| dera | 1 | ", report.alphas_table(task))


if __name__ == "__main__":
    unittest.main()
