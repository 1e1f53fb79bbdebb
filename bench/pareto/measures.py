"""How good and how steerable a set of points is. Pure functions; rewards are maximised."""

import math
import random
import statistics


def pareto_front(points):
    """Indices of the points that no other point beats in one reward without losing in another."""
    def dominated(a):
        return any(all(x >= y for x, y in zip(b, a)) and b != a for b in points)
    return [i for i, point in enumerate(points) if not dominated(point)]


def hypervolume(points, reference):
    """Volume of what `points` dominate above `reference`, in any number of dimensions."""
    above = [point for point in points if all(x > r for x, r in zip(point, reference))]
    if not above:
        return 0.0
    if len(reference) == 1:
        return max(point[0] for point in above) - reference[0]
    # Slabs along the last reward, the highest first: each is as wide as all that reach it.
    heights = sorted({point[-1] for point in above}, reverse=True)
    volume = 0.0
    for high, low in zip(heights, heights[1:] + [reference[-1]]):
        volume += (high - low) * hypervolume([p[:-1] for p in above if p[-1] >= high], reference[:-1])
    return volume


def spread(points):
    """The largest distance between two of the points."""
    return max((math.dist(a, b) for a in points for b in points), default=0.0)


def ranks(values):
    """From 1; equal values share the mean of their ranks."""
    order = sorted(range(len(values)), key=values.__getitem__)
    result = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for i in order[start:end]:
            result[i] = (start + 1 + end) / 2
        start = end
    return result


def spearman(xs, ys):
    """Rank correlation; 0 where one side never changes."""
    if len(set(xs)) < 2 or len(set(ys)) < 2:
        return 0.0
    return statistics.correlation(ranks(xs), ranks(ys))


def bootstrap(statistic, articles, seeds, draws=1000, level=0.95, seed=1):
    """(low, high) of `statistic(article_indices, seed_indices)` over articles and seeds drawn with replacement."""
    chance = random.Random(seed)
    values = sorted(
        statistic([chance.randrange(articles) for _ in range(articles)],
                  [chance.randrange(seeds) for _ in range(seeds)])
        for _ in range(draws))
    tail = (1 - level) / 2
    return values[math.floor(tail * (draws - 1))], values[math.ceil((1 - tail) * (draws - 1))]
