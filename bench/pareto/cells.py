"""The cells of one task, and what is counted out of them. Means are over articles and seeds."""

import collections
import json

import measures

MARGIN = 0.1  # Hypervolumes count from the reference model's rewards minus this: fixed before any run.
SOUPS = "soups"


class Task:
    """All cells below one folder."""

    def __init__(self, folder):
        self.name = folder.name
        reference = json.loads((folder / "reference.json").read_text())
        self.rewards = reference["rewards"]
        self.reference = self.means(reference["points"][0])
        self.origin = [mean - MARGIN for mean in self.reference]
        self.cells = collections.defaultdict(dict)
        for path in sorted(folder.glob("*-seed*.json")):
            cell = json.loads(path.read_text())
            self.cells[cell["system"]][cell["seed"]] = cell

    def means(self, point, articles=None):
        """One point of a cell: the mean of each reward over `articles`, or over all."""
        of_reward = [point["articles"]["rewards"][reward] for reward in self.rewards]
        chosen = range(len(of_reward[0])) if articles is None else articles
        return [sum(values[i] for i in chosen) / len(chosen) for values in of_reward]

    def systems(self):
        return sorted(self.cells)

    def has(self, *systems):
        return all(system in self.cells for system in systems)

    def seeds(self, system):
        return [cell for _, cell in sorted(self.cells[system].items())]

    def chosen(self, system, seeds=None):
        cells = self.seeds(system)
        return cells if seeds is None else [cells[i % len(cells)] for i in seeds]

    def curve(self, system, articles=None, seeds=None):
        """One point per steering; `seeds` are indices."""
        curves = [[self.means(point, articles) for point in cell["points"]] for cell in self.chosen(system, seeds)]
        return [[sum(values) / len(values) for values in zip(*points)] for points in zip(*curves)]

    def sampled(self, system, what):
        """One number per steering: the divergence ("kl") or the KL-regularised value ("value") of samples."""
        columns = zip(*([point["sampled"][what] for point in cell["points"]] for cell in self.seeds(system)))
        return [sum(values) / len(values) for values in columns]

    def count(self):
        return self.seeds(self.systems()[0])[0]["points"][0]["summaries"]

    def weights(self, system):
        return [point["weights"] for point in self.seeds(system)[0]["points"]]

    def alphas(self, system):
        return [point["alpha"] for point in self.seeds(system)[0]["points"]]

    def inside(self, system):
        """Indices of the weightings that are no vertex."""
        return [i for i, w in enumerate(self.weights(system)) if max(w) < 1]

    def volume(self, system, articles=None, seeds=None):
        return measures.hypervolume(self.curve(system, articles, seeds), self.origin)

    def volume_over(self, other):
        """A statistic: a system's hypervolume divided by that of `other` on the same draws."""
        def ratio(system, articles=None, seeds=None):
            below = self.volume(other, articles, seeds)
            return self.volume(system, articles, seeds) / below if below > 0 else float("inf")
        return ratio

    def inside_over(self, other):
        """A statistic: how much more w.R than `other` at the same weightings, on average over those inside."""
        def gain(system, articles=None, seeds=None):
            ours, theirs = self.curve(system, articles, seeds), self.curve(other, articles, seeds)
            weights = self.weights(system)
            gains = [sum(x * (a - b) for x, a, b in zip(weights[i], ours[i], theirs[i])) for i in self.inside(system)]
            return sum(gains) / len(gains) if gains else 0.0
        return gain

    def spread_over(self, other):
        """A statistic: how much wider a system spreads than `other`."""
        def difference(system, articles=None, seeds=None):
            return self.spread(system, articles, seeds) - self.spread(other, articles, seeds)
        return difference

    def spread(self, system, articles=None, seeds=None):
        return measures.spread(self.curve(system, articles, seeds))

    def dominated(self, system, other):
        """At how many of the weightings inside every reward is above that of `other`."""
        ours, theirs = self.curve(system), self.curve(other)
        inside = self.inside(system)
        return f"{sum(all(x > y for x, y in zip(ours[i], theirs[i])) for i in inside)} of {len(inside)}"

    def differ(self, system):
        """Of the summaries, how many are not the same at all vertices (or at both ends), in percent."""
        shares = [cell["differ_between_vertices"] for cell in self.seeds(system) if "differ_between_vertices" in cell]
        return f"{100 * sum(shares) / len(shares):.0f} %" if shares else "-"

    def steering(self, system):
        """Rank correlation of each reward with its weight, at the lowest alpha."""
        lowest = min(self.alphas(system))
        chosen = [i for i, alpha in enumerate(self.alphas(system)) if alpha == lowest]
        curve, weights = self.curve(system), self.weights(system)
        return [measures.spearman([weights[i][r] for i in chosen], [curve[i][r] for i in chosen])
                for r in range(len(self.rewards))]

    def by_alpha(self, system):
        """Indices of the steerings that differ in alpha alone, those of the last one's weighting, by alpha."""
        weights, alphas = self.weights(system), self.alphas(system)
        return sorted((i for i, w in enumerate(weights) if w == weights[-1]), key=alphas.__getitem__)

    def kl_follows_alpha(self, system):
        """Rank correlation of the divergence with alpha, over by_alpha."""
        order, kl, alphas = self.by_alpha(system), self.sampled(system, "kl"), self.alphas(system)
        return measures.spearman([alphas[i] for i in order], [kl[i] for i in order])

    def scalar(self, system):
        """w.R at each steering."""
        return [sum(x * r for x, r in zip(w, rewards)) for w, rewards in zip(self.weights(system), self.curve(system))]

    def interval(self, statistic, system, draws=300):
        """"value [low, high]" of statistic(system, articles, seeds), 95 %, over articles and seeds."""
        low, high = measures.bootstrap(lambda a, s: statistic(system, a, s), self.count(), len(self.cells[system]), draws)
        return f"{statistic(system):.3f} [{low:.3f}, {high:.3f}]"
