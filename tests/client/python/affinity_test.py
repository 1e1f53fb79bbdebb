"""Affinity keys are those of the C++ client, bit for bit (tests/model/affinity_key_test.cc reads the same file)."""

import pathlib
import unittest

import make_affinity_golden
from trimtab import affinity, routing

ROOT = pathlib.Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests/model/testdata/affinity/keys.tsv"
TWO = affinity.Served(("brief", "full"), alpha_min=0.1, default_alpha=0.1, presets={"concise": (0.1, (1.0, 0.0))})


class AffinityTest(unittest.TestCase):
    def test_keys_and_coefficients_are_those_of_the_golden_file(self):
        for line in GOLDEN.read_text(encoding="utf-8").splitlines():
            mixing, alpha_min, w_bits, beta_bits, alpha, weights, _, _ = line.split("\t")
            case = (
                mixing,
                float.fromhex(alpha_min),
                int(w_bits),
                int(beta_bits),
                float.fromhex(alpha),
                [float.fromhex(w) for w in weights.split(",")],
            )
            self.assertEqual(make_affinity_golden.line(*case), line)

    def test_names_presets_and_positions_that_mean_the_same_have_one_key(self):
        by_position = affinity.coefficients(TWO, {"weights": [1, 0]})
        self.assertEqual(affinity.coefficients(TWO, {"weights": {"brief": 1}}), by_position)
        self.assertEqual(affinity.coefficients(TWO, {"preset": "concise"}), by_position)

    def test_weights_left_out_are_uniform(self):
        self.assertEqual(affinity.coefficients(TWO, {}), (0.5, 0.5, 0.0))

    def test_a_model_without_rewards_has_the_one_coefficient(self):
        self.assertEqual(affinity.coefficients(affinity.Served(()), {"alpha": 1.0}), (1.0,))

    def test_what_the_server_would_refuse_has_no_coefficients(self):
        for steer in (
            {"alpha": 0.05},
            {"alpha": float("nan")},
            {"weights": [1.0]},
            {"weights": [0.4, 0.4]},
            {"weights": [-0.5, 1.5]},
            {"weights": {"speed": 1.0}},
            {"preset": "loud"},
            {"preset": "concise", "alpha": 0.1},
        ):
            with self.subTest(steer), self.assertRaises(ValueError):
                affinity.coefficients(TWO, steer)

    def test_servers_are_preferred_as_the_cpp_client_prefers_them(self):
        servers = ["10.0.0.1:50051", "10.0.0.2:50051", "10.0.0.3:50051"]
        orders = [routing.rendezvous_order(f"key{i}", servers) for i in (0, 1, 4, 5)]
        self.assertEqual(orders, [[2, 0, 1], [1, 0, 2], [1, 2, 0], [2, 1, 0]])  # As in tests/client/routing_test.cc.


if __name__ == "__main__":
    unittest.main()
