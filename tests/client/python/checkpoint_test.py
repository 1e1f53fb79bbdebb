"""Checkpoints through Python and back, as trimtab and trimtabd see them."""

import pathlib
import subprocess
import tempfile
import unittest

import live
import numpy
from trimtab import checkpoint


def inspect(folder):
    """What `trimtab inspect` prints, less what differs from folder to folder."""
    done = subprocess.run([live.TRIMTAB, "inspect", folder], check=True, capture_output=True, text=True)
    return [line for line in done.stdout.splitlines() if "digest" not in line and str(folder) not in line]


def check(folder):
    """Has trimtabd load all of it."""
    command = [
        live.TRIMTABD,
        "--model",
        folder,
        "--check",
        "--listen",
        "127.0.0.1:0",
        "--metrics-listen",
        "127.0.0.1:0",
    ]
    subprocess.run(command, check=True, capture_output=True)


def same(one, other):
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and numpy.array_equal(one[name], other[name]) for name in one
    )


class CheckpointTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.out = pathlib.Path(folder.name, "out")
        self.pilot = checkpoint.read(live.PILOT)
        self.base = {**self.pilot.shared, **self.pilot.reference}
        self.rewards = {name: self.pilot.state_dict(name) for name in self.pilot.conditioned}

    def soup(self, variant, **rewards):
        return checkpoint.soup(
            live.PILOT, reference=self.base, rewards={**self.rewards, **rewards}, variant=variant, alpha_min=0.1
        )

    def test_what_is_written_is_what_was_read(self):
        checkpoint.write(self.pilot, self.out)
        self.assertEqual(inspect(self.out), inspect(live.PILOT))
        check(self.out)
        again = checkpoint.read(self.out)
        self.assertTrue(same(again.shared, self.pilot.shared))
        self.assertTrue(same(again.reference, self.pilot.reference))
        self.assertTrue(all(same(again.conditioned[name], self.pilot.conditioned[name]) for name in self.rewards))

    def test_a_soup_of_its_policies_is_the_checkpoint(self):
        made = self.soup("attn")
        self.assertTrue(same(made.shared, self.pilot.shared))
        self.assertTrue(same(made.conditioned["full"], self.pilot.conditioned["full"]))
        checkpoint.write(made, self.out)
        check(self.out)

    def test_every_variant_is_served(self):
        heads = {name: {**self.base, "lm_head.weight": self.base["shared.weight"]} for name in self.rewards}
        for variant, rewards in (("full", {}), ("logit", heads)):
            with self.subTest(variant):
                checkpoint.write(self.soup(variant, **rewards), self.out / variant)
                check(self.out / variant)

    def test_names_that_mean_the_embedding_are_written_once(self):
        tied = {**self.base, "encoder.embed_tokens.weight": self.base["shared.weight"]}
        self.base = {**tied, "lm_head.weight": self.base["shared.weight"]}
        self.assertTrue(same(self.soup("attn").shared, self.pilot.shared))

    def test_policies_that_differ_where_they_share_are_refused(self):
        name = "decoder.final_layer_norm.weight"
        other = {**self.rewards["full"], name: self.base[name] + 1}
        with self.assertRaisesRegex(checkpoint.CheckpointError, f"full: {name} differs .* use full"):
            self.soup("attn", full=other)

    def test_another_model_is_refused(self):
        other = {name: value for name, value in self.base.items() if "block.2" not in name}
        with self.assertRaisesRegex(checkpoint.CheckpointError, "full and the reference differ in what they have: "):
            self.soup("attn", full=other)
        with self.assertRaisesRegex(checkpoint.CheckpointError, "expected the names of a T5"):
            self.soup("attn", full={"weight": self.base["shared.weight"]})

    def test_nothing_is_overwritten(self):
        self.out.mkdir()
        (self.out / "mine").touch()
        with self.assertRaisesRegex(checkpoint.CheckpointError, "is not an empty folder"):
            checkpoint.write(self.pilot, self.out)

    def test_a_folder_that_is_no_checkpoint_says_so(self):
        with self.assertRaisesRegex(checkpoint.CheckpointError, "has no clp.json"):
            checkpoint.read(self.out)

    def test_tensors_of_torch_give_the_same_files(self):
        try:
            import torch  # pylint: disable=unused-import
        except ImportError:
            self.skipTest("torch is not installed")
        checkpoint.write(checkpoint.read(live.PILOT, framework="pt"), self.out)
        self.assertTrue(same(checkpoint.read(self.out).shared, self.pilot.shared))


if __name__ == "__main__":
    unittest.main()
