"""The measures of bench/pareto against cases worked out by hand."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "bench/pareto"))

import measures  # noqa: E402


class MeasuresTest(unittest.TestCase):

    def test_a_point_that_another_beats_is_not_on_the_front(self):
        self.assertEqual(measures.pareto_front([(0, 3), (1, 1), (2, 2), (3, 0)]), [0, 2, 3])
        self.assertEqual(measures.pareto_front([(1, 1), (1, 1)]), [0, 1])

    def test_hypervolume_counts_overlap_once_and_nothing_below_the_reference(self):
        self.assertAlmostEqual(measures.hypervolume([(2, 1), (1, 2)], (0, 0)), 3.0)
        self.assertAlmostEqual(measures.hypervolume([(2, 1), (1, 2), (1, 1), (5, -1)], (0, 0)), 3.0)
        self.assertEqual(measures.hypervolume([(-1, 4)], (0, 0)), 0.0)

    def test_hypervolume_in_three_dimensions(self):
        self.assertAlmostEqual(measures.hypervolume([(1, 2, 3)], (0, 0, 0)), 6.0)
        # Two boxes of 4 that share a cube of 1.
        self.assertAlmostEqual(measures.hypervolume([(4, 1, 1), (1, 4, 1)], (0, 0, 0)), 7.0)

    def test_spread_is_the_largest_distance(self):
        self.assertAlmostEqual(measures.spread([(0, 0), (3, 4), (1, 1)]), 5.0)
        self.assertEqual(measures.spread([]), 0.0)

    def test_equal_values_share_their_rank(self):
        self.assertEqual(measures.ranks([10, 20, 10, 5]), [2.5, 4.0, 2.5, 1.0])

    def test_spearman_sees_order_alone(self):
        self.assertAlmostEqual(measures.spearman([0, 0.1, 0.5, 1], [1, 2, 300, 4000]), 1.0)
        self.assertAlmostEqual(measures.spearman([1, 2, 3], [3, 2, 1]), -1.0)
        self.assertAlmostEqual(measures.spearman([1, 2, 3, 4], [1, 3, 2, 4]), 0.8)
        self.assertEqual(measures.spearman([1, 2, 3], [5, 5, 5]), 0.0)

    def test_the_interval_holds_the_statistic_and_narrows_with_more_articles(self):
        def interval(articles):
            values = [i % 10 for i in range(articles)]
            return measures.bootstrap(lambda a, s: sum(values[i] for i in a) / len(a) + len(s), articles, 2, draws=200)
        few, many = interval(20), interval(500)
        for low, high in (few, many):
            self.assertTrue(low < 6.5 < high)
        self.assertLess(many[1] - many[0], (few[1] - few[0]) / 2)
        self.assertEqual(interval(20), few)

    def test_seeds_are_drawn_too(self):
        low, high = measures.bootstrap(lambda a, s: sum(s) / len(s), 3, 4, draws=200)
        self.assertTrue(0 <= low < 1.5 < high <= 3)


if __name__ == "__main__":
    unittest.main()
