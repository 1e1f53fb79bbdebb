#!/usr/bin/env python3
"""Draws every panel of the dashboard on one page, from what a Prometheus holds.

    page.py --prometheus URL [--minutes N] OUT.png      of a Prometheus that scrapes Trimtab
    page.py --build DIR [--seconds N] OUT.png           of a trimtabd and a Prometheus started for it, under load,
                                                        with explorations and new parameters (./dev dashboard)
"""

import argparse
import contextlib
import re
import tempfile
import time

import matplotlib
import numpy
import PIL.Image

import live
import panels

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402  (after the choice of a backend)

COLUMNS = 4
POINTS = 120  # Of each curve.
SUFFIXES = {"s": " s", "bytes": " B", "percentunit": " (1 = all)", "reqps": " /s"}


def label(legend, labels):
    """The legend of one series, as Grafana fills it in."""
    return re.sub(r"{{(\w+)}}", lambda match: labels.get(match.group(1), ""), legend)


def draw_panel(axes, panel, prometheus, start, end):
    """One panel; seconds since `start` run to the right."""
    for legend, expression in panel["queries"].items():
        for labels, points in prometheus.series(expression, start, end, (end - start) / POINTS):
            axes.plot([t - start for t, _ in points], [v for _, v in points], linewidth=1.0, label=label(legend, labels))
    axes.set_title(panel["title"] + SUFFIXES.get(panel["unit"], ""), fontsize=7, loc="left")
    low, high = axes.get_ylim()
    low = low if panel["signed"] else 0
    axes.set_ylim(low, high + 0.3 * (high - low))  # Room for the legend.
    axes.set_xlim(0, end - start)
    axes.tick_params(labelsize=5, length=2)
    axes.ticklabel_format(axis="y", scilimits=(-3, 6), useMathText=True)
    axes.yaxis.get_offset_text().set_size(5)
    axes.grid(linewidth=0.2)
    if axes.lines:
        axes.legend(fontsize=4.5, loc="upper left", framealpha=0.6, borderpad=0.2, labelspacing=0.2)


def draw(prometheus, start, end, path):
    """The page. Rows of the dashboard run on: their titles are left out."""
    shown = [panel for panel in panels.load() if panel["queries"]]
    rows = -(-len(shown) // COLUMNS)
    figure, grid = plt.subplots(rows, COLUMNS, figsize=(2.6 * COLUMNS, 1.3 * rows), dpi=120,
                                constrained_layout=True)
    for axes in grid.flat[len(shown):]:
        axes.axis("off")
    for axes, panel in zip(grid.flat, shown):
        draw_panel(axes, panel, prometheus, start, end)
    figure.canvas.draw()
    picture = PIL.Image.fromarray(numpy.asarray(figure.canvas.buffer_rgba())).convert("RGB")
    picture.quantize(64).save(path, optimize=True)


def draw_under_load(build, seconds, path):
    """Starts the deployment, keeps it busy, changes parameters twice, draws."""
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(live.Deployment(build, folder, "1s", "10s")) as deployment:
        start = time.time()
        with contextlib.closing(live.Load(deployment)):
            for number in (1, 2):
                time.sleep(seconds / 3)
                deployment.change(number)
            deployment.train(steps=1)
            time.sleep(seconds / 3)
        draw(deployment.prometheus, start, time.time(), path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--prometheus", metavar="URL")
    source.add_argument("--build", metavar="DIR")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("out")
    arguments = parser.parse_args()
    if arguments.build:
        draw_under_load(arguments.build, arguments.seconds, arguments.out)
    else:
        end = time.time()
        draw(panels.Prometheus(arguments.prometheus), end - 60 * arguments.minutes, end, arguments.out)


if __name__ == "__main__":
    main()
