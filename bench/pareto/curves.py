#!/usr/bin/env python3
"""Draws a training: the rewards by step from a run's log.jsonl and, beside it, by version what a server replied meanwhile."""

import argparse
import json
import pathlib

HIGH, LOW = 2 / 3, 1 / 3  # Of a weight: steps above and below are averaged apart.


def read(path):
    return [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]


def smoothed(points, window):
    """Means of (step, value) over `window` neighbours in a row, each at its last step."""
    result = []
    for end in range(window, len(points) + 1, max(1, window // 4)):
        part = points[end - window:end]
        result.append((part[-1][0], sum(value for _, value in part) / window))
    return result


def by_weight(steps, rewards, index, window):
    """Label -> curve of one reward, where its weight was high and where it was low."""
    values = [(line["step"], line["rewards"][rewards[index]], line["w"][index]) for line in steps]
    return {f"{rewards[index]}, weight over 2/3": smoothed([(s, r) for s, r, w in values if w > HIGH], window),
            f"{rewards[index]}, weight under 1/3": smoothed([(s, r) for s, r, w in values if w < LOW], window)}


def by_version(replies, score):
    """Weighting -> means of a score, in the order of the versions."""
    curves = {}
    for line in replies:
        curves.setdefault(",".join(f"{w:g}" for w in line["weights"]), []).append((line["version"], line[score]))
    return curves


def plot(axes, curves, title, below):
    for label, points in curves.items():
        if points:
            axes.plot(*zip(*points), "o-" if below == "version" else "-", markersize=3, label=label)
    axes.set_title(title)
    axes.set_xlabel(below)
    axes.legend(fontsize=7)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", help="log.jsonl of the run")
    parser.add_argument("--live", help="what live.py printed")
    parser.add_argument("--scores", nargs="+", default=[], help="of live.py, to draw, one for each reward")
    parser.add_argument("--window", type=int, default=40, help="steps that a point is the mean of")
    parser.add_argument("--out", required=True, help="PNG or SVG")
    arguments = parser.parse_args()
    import matplotlib
    matplotlib.use("agg")
    from matplotlib import pyplot
    steps = read(arguments.log)
    rewards = list(steps[0]["rewards"])
    rows = 2 if arguments.live else 1
    figure, axes = pyplot.subplots(rows, len(rewards), figsize=(5 * len(rewards), 3.6 * rows), squeeze=False)
    for i, reward in enumerate(rewards):
        plot(axes[0][i], by_weight(steps, rewards, i, arguments.window), f"training: {reward} (mapped)", "step")
    for axis, score in zip(axes[1] if arguments.live else [], arguments.scores):
        plot(axis, by_version(read(arguments.live), score), f"replies of the server: {score}", "version")
    figure.tight_layout()
    figure.savefig(arguments.out, dpi=110)


if __name__ == "__main__":
    main()
