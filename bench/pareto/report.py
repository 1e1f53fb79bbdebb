#!/usr/bin/env python3
"""Draws and tabulates what run.py measured: README.md and one SVG for each task, beside the cells. Nothing by hand."""

import argparse
import collections
import json
import pathlib

import measures

MARGIN = 0.1  # Hypervolumes count from the reference model's rewards minus this: fixed before any run.
DRAWS = 300


class Task:
    """The cells of one task."""

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

    def seeds(self, system):
        return [cell for _, cell in sorted(self.cells[system].items())]

    def curve(self, system, articles=None, seeds=None):
        """One point per weighting: means over articles and seeds, by index, or over all of them."""
        cells = self.seeds(system)
        chosen = cells if seeds is None else [cells[i] for i in seeds]
        curves = [[self.means(point, articles) for point in cell["points"]] for cell in chosen]
        return [[sum(values) / len(values) for values in zip(*points)] for points in zip(*curves)]

    def count(self):
        cell = next(iter(self.seeds(next(iter(self.cells)))))
        return cell["points"][0]["summaries"]

    def weights(self, system):
        return [point["weights"] for point in self.seeds(system)[0]["points"]]

    def volume(self, system, articles=None, seeds=None):
        return measures.hypervolume(self.curve(system, articles, seeds), self.origin)

    def over_soups(self, system, articles=None, seeds=None):
        soups = self.volume("soups", articles, seeds)
        return self.volume(system, articles, seeds) / soups if soups > 0 else float("inf")

    def inside_over_soups(self, system, articles=None, seeds=None):
        """How much more w.R than Rewarded Soups at the same weightings, on average over those that are no vertex."""
        ours, soups = self.curve(system, articles, seeds), self.curve("soups", articles, seeds)
        gains = [sum(x * (a - b) for x, a, b in zip(w, one, other))
                 for w, one, other in zip(self.weights(system), ours, soups) if max(w) < 1]
        return sum(gains) / len(gains) if gains else 0.0

    def dominated_soups(self, system):
        """At how many of the weightings that are no vertex every reward is above that of Rewarded Soups."""
        pairs = [(a, b) for w, a, b in zip(self.weights(system), self.curve(system), self.curve("soups")) if max(w) < 1]
        return f"{sum(all(x > y for x, y in zip(a, b)) for a, b in pairs)} of {len(pairs)}"

    def differ(self, system):
        """Of the summaries, how many are not the same at all vertices, in percent."""
        shares = [cell["differ_between_vertices"] for cell in self.seeds(system) if "differ_between_vertices" in cell]
        return f"{100 * sum(shares) / len(shares):.0f} %" if shares else "-"

    def steering(self, system):
        """Rank correlation of each reward with its weight."""
        curve, weights = self.curve(system), self.weights(system)
        return [measures.spearman([w[i] for w in weights], [point[i] for point in curve])
                for i in range(len(self.rewards))]


def interval(statistic, task, system, seeds):
    low, high = measures.bootstrap(lambda a, s: statistic(system, a, s), task.count(), seeds, DRAWS)
    return f"{statistic(system):.3f} [{low:.3f}, {high:.3f}]"


def table(task):
    """Markdown."""
    lines = [f"## {task.name}", "", f"Rewards {', '.join(task.rewards)}; the reference model has "
             f"{', '.join(f'{x:.3f}' for x in task.reference)}; {task.count()} held-out articles.", "",
             "| system | seeds | steps | hypervolume | over soups | inside: w.R over soups | inside: above soups in all "
             "| spread | steering | differ | MB | minutes |", "| --- " * 12 + "|"]
    for system in sorted(task.cells):
        cells = task.seeds(system)
        ratio = inside = above = "-"
        if task.cells["soups"]:
            seeds = min(len(cells), len(task.cells["soups"]))
            ratio = interval(task.over_soups, task, system, seeds)
            inside = interval(task.inside_over_soups, task, system, seeds)
            above = task.dominated_soups(system)
        steering = ", ".join(f"{x:.2f}" for x in task.steering(system))
        minutes = sum(cell["training_minutes"] for cell in cells) / len(cells)
        lines.append(f"| {system} | {len(cells)} | {cells[0]['settings']['steps']} | "
                     f"{interval(task.volume, task, system, len(cells))} | {ratio} | {inside} | {above} | "
                     f"{measures.spread(task.curve(system)):.3f} | {steering} | {task.differ(system)} | "
                     f"{cells[0].get('checkpoint_mb', '-')} | {minutes:.1f} |")
    return "\n".join(lines) + "\n"


def samples(task, system):
    """Markdown: the first articles' summaries by weighting, as in D.2."""
    cell = task.seeds(system)[0]
    written = {tuple(point["weights"]): point["articles"].get("summaries", []) for point in cell["points"]}
    shown = [w for w in ((1, 0), (.8, .2), (.5, .5), (.2, .8), (0, 1)) if written.get(w)]
    lines = [f"Summaries of {system}, seed {cell['seed']}, by the weights of {', '.join(task.rewards)}:", "",
             "| article | " + " | ".join(f"{a:g}, {b:g}" for a, b in shown) + " |", "| --- " * (len(shown) + 1) + "|"]
    for article in range(len(written[shown[0]]) if shown else 0):
        lines.append(f"| {article + 1} | " + " | ".join(written[w][article].replace("|", "/") for w in shown) + " |")
    return "\n".join(lines) + "\n" if shown else ""


def draw(task, path):
    """The curve of every system over the first two rewards, as in the paper's figures 3 and 4."""
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = task.name  # Equal cells give equal bytes.
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(figsize=(6, 4.5))
    for system in sorted(task.cells):
        points = task.curve(system)
        line = "o" if len(task.rewards) > 2 else "o-"
        axes.plot([p[0] for p in points], [p[1] for p in points], line, markersize=4, label=system)
    axes.plot(*task.reference[:2], "k*", markersize=10, label="reference")
    axes.set_xlabel(task.rewards[0])
    axes.set_ylabel(task.rewards[1])
    axes.legend()
    figure.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path, help="run.py's --out")
    folder = parser.parse_args().folder
    page = ["# Pareto fronts", "", "Written by `bench/pareto/report.py`. Intervals: 95 %, over articles and seeds. "
            f"Hypervolumes count from the reference model's rewards minus {MARGIN}. Over soups: hypervolume divided by "
            "that of Rewarded Soups on the same draws. Inside: at the weightings that are no vertex. Steering: rank "
            "correlation of each reward with its weight. Differ: summaries that are not the same at all vertices. MB: "
            "of the checkpoint, the reference included.", ""]
    for reference in sorted(folder.glob("*/reference.json")):
        task = Task(reference.parent)
        if task.cells:
            draw(task, folder / f"{task.name}.svg")
            page += [table(task), f"![{task.name}]({task.name}.svg)", ""]
            page += [text for text in (samples(task, system) for system in ("attn", "full") if task.cells[system]) if text]
    (folder / "README.md").write_text("\n".join(page))


if __name__ == "__main__":
    main()
