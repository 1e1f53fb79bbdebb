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
             "| system | seeds | steps | hypervolume | over soups | spread | steering | minutes |",
             "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for system in sorted(task.cells):
        cells = task.seeds(system)
        ratio = "-"
        if task.cells["soups"]:
            ratio = interval(task.over_soups, task, system, min(len(cells), len(task.cells["soups"])))
        steering = ", ".join(f"{x:.2f}" for x in task.steering(system))
        minutes = sum(cell["training_minutes"] for cell in cells) / len(cells)
        lines.append(f"| {system} | {len(cells)} | {cells[0]['settings']['steps']} | "
                     f"{interval(task.volume, task, system, len(cells))} | {ratio} | "
                     f"{measures.spread(task.curve(system)):.3f} | {steering} | {minutes:.1f} |")
    return "\n".join(lines) + "\n"


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
            "that of Rewarded Soups on the same draws. Steering: rank correlation of each reward with its weight.", ""]
    for reference in sorted(folder.glob("*/reference.json")):
        task = Task(reference.parent)
        if task.cells:
            draw(task, folder / f"{task.name}.svg")
            page += [table(task), f"![{task.name}]({task.name}.svg)", ""]
    (folder / "README.md").write_text("\n".join(page))


if __name__ == "__main__":
    main()
