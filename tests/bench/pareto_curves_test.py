"""What bench/pareto draws of a training, and how it scores what a server replied."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "bench/pareto"))

import curves  # noqa: E402


def step(number, weight, reward):
    return {"step": number, "w": [weight, 1 - weight], "rewards": {"rouge": reward, "grounding": -reward}}


class CurvesTest(unittest.TestCase):

    def test_a_point_is_the_mean_of_a_window_at_its_last_step(self):
        points = [(i, float(i)) for i in range(1, 7)]
        self.assertEqual(curves.smoothed(points, 4), [(4, 2.5), (5, 3.5), (6, 4.5)])
        self.assertEqual(curves.smoothed(points, 7), [])

    def test_steps_go_to_the_curve_of_their_weight(self):
        steps = [step(1, 0.9, 1.0), step(2, 0.1, 2.0), step(3, 0.5, 3.0), step(4, 0.8, 5.0)]
        self.assertEqual(curves.by_weight(steps, ["rouge", "grounding"], 0, 1), {
            "rouge, weight over 2/3": [(1, 1.0), (4, 5.0)], "rouge, weight under 1/3": [(2, 2.0)]})
        self.assertEqual(curves.by_weight(steps, ["rouge", "grounding"], 1, 1)["grounding, weight over 2/3"], [(2, -2.0)])

    def test_replies_go_by_weighting_and_version(self):
        replies = [{"version": v, "weights": [w, 1 - w], "rouge": 10 * v + w} for v in (0, 1) for w in (1.0, 0.0)]
        self.assertEqual(curves.by_version(replies, "rouge"), {"1,0": [(0, 1.0), (1, 11.0)], "0,1": [(0, 0.0), (1, 10.0)]})


if __name__ == "__main__":
    unittest.main()
