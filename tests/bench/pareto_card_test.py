"""The model card of bench/pareto on a checkpoint that is made up."""

import json
import pathlib
import struct
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "bench/pareto"))

import card  # noqa: E402
import cells  # noqa: E402

REWARDS = ("rouge", "nli", "quality")


def tensors(shape):
    head = json.dumps({"__metadata__": {"format": "pt"}, "a": {"dtype": "BF16", "shape": shape, "data_offsets": [0, 0]}}).encode()
    return struct.pack("<Q", len(head)) + head


def point(weights, alpha, rewards, kl):
    return {"alpha": alpha, "weights": weights, "summaries": 1, "words": 5.0, "sampled": {"kl": kl, "value": 0.5},
            "articles": {"summaries": [f"text of {weights[0]}"], "rewards": {name: [x] for name, x in zip(REWARDS, rewards)}}}


class CardTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        root = pathlib.Path(folder.name)
        self.checkpoint, place = root / "checkpoint", root / "joint"
        for name in ("conditioned", "reward_models/nli"):
            (self.checkpoint / name).mkdir(parents=True)
        place.mkdir()
        (self.checkpoint / "shared.safetensors").write_bytes(tensors([1000, 2000]))
        (self.checkpoint / "conditioned/rouge.safetensors").write_bytes(tensors([1000, 500]))
        (self.checkpoint / "config.json").write_text(json.dumps({
            "num_layers": 3, "num_decoder_layers": 2, "d_model": 192, "num_heads": 3, "d_kv": 64, "d_ff": 384, "vocab_size": 6000}))
        (self.checkpoint / "clp.json").write_text(json.dumps({
            "name": "debian", "mixing": {"alpha_min": 0.01}, "presets": {"even": {"w": [.5, .25, .25]}}}))
        (root / "nli.log").write_text("step 1: accuracy 0.61\nstep 2: accuracy 0.8025\n")
        (place / "reference.json").write_text(json.dumps({"rewards": REWARDS, "points": [point([1, 0, 0], 1, [.4] * 3, 0)]}))
        (place / "attn-seed1.json").write_text(json.dumps({
            "system": "attn", "seed": 1, "training_minutes": 41.7, "differ_between_vertices": 0.75,
            "settings": {"steps": 77, "batch": 32, "max_input_tokens": 96, "max_new_tokens": 24, "learning_rate": 0.0015},
            "points": [point([1, 0, 0], .01, [.9, .5, .5], 2), point([0, 1, 0], .01, [.5, .8, .4], 2),
                       point([0, 0, 1], .01, [.6, .6, .7], 2), point([.34, .33, .33], .01, [.7, .7, .6], 2),
                       point([.34, .33, .33], 1, [.4, .4, .4], 0)]}))
        self.card = card.card(self.checkpoint, cells.Task(place), "attn", [f"nli={root}/nli.log"])

    def test_it_counts_parameters_and_says_how_it_was_made(self):
        self.assertIn("2.50 million parameters in one mixture", self.card)
        self.assertIn("0.50 million parameters in\n  each set", self.card)
        self.assertIn("`STEPS=77 ./dev learn DIR`", self.card)
        self.assertIn("`even` (0.5, 0.25, 0.25)", self.card)

    def test_a_judge_is_as_right_as_it_was_last(self):
        self.assertIn("`nli` is right about 80 %", self.card)

    def test_rewards_stand_by_weighting_and_by_alpha(self):
        self.assertIn("| 0, 0, 1 | 0.60 | 0.60 | 0.70 | 5.0 | 2.00 |", self.card)
        self.assertIn("| 1 | 0.40 | 0.40 | 0.40 | 0.00 |", self.card)
        self.assertIn("Rank correlation of the KL with alpha: -1.00.", self.card)
        self.assertIn("75 % of the summaries are not the same", self.card)

    def test_summaries_are_shown_at_the_vertices(self):
        self.assertIn("| 1 | text of 1 | text of 0 | text of 0 |", self.card)


if __name__ == "__main__":
    unittest.main()
