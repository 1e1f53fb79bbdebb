#!/usr/bin/env python3
"""Draws and tabulates what run.py measured: README.md and the figures of each task, beside the cells. Nothing by hand."""

import argparse
import pathlib

import cells
import claims
import figures

INTRODUCTION = f"""# The paper's systems, compared

Written by `bench/pareto/report.py`. Rewards are mapped to 0..1 over the reference model's quantiles; means over held-out articles of
greedy summaries, KL and value of samples. Intervals: 95 %, over articles and seeds. Hypervolumes count from the reference model's
rewards minus {cells.MARGIN}. Inside: at the weightings that are no vertex. Steering: rank correlation of each reward with its weight.
Differ: summaries that are not the same at all vertices. MB: of the checkpoint, the reference included.
"""


def row(*fields):
    return "| " + " | ".join(map(str, fields)) + " |"


def header(*fields):
    return [row(*fields), "| --- " * len(fields) + "|"]


def table(task):
    """Markdown: one line a system, held against Rewarded Soups."""
    lines = [f"Rewards {', '.join(task.rewards)}; the reference model has {', '.join(f'{x:.3f}' for x in task.reference)}; "
             f"{task.count()} held-out articles.", ""]
    lines += header("system", "seeds", "steps", "hypervolume", "over soups", "inside: w.R over soups",
                    "inside: above soups in all", "spread", "steering", "differ", "MB", "minutes")
    for system in task.systems():
        own = task.seeds(system)
        ratio = inside = above = "-"
        if task.has(cells.SOUPS):
            ratio = task.interval(task.volume_over(cells.SOUPS), system)
            inside = task.interval(task.inside_over(cells.SOUPS), system)
            above = task.dominated(system, cells.SOUPS)
        minutes = sum(cell["training_minutes"] for cell in own) / len(own)
        lines.append(row(system, len(own), own[0]["settings"]["steps"], task.interval(task.volume, system), ratio, inside, above,
                         f"{task.spread(system):.3f}", ", ".join(f"{x:.2f}" for x in task.steering(system)),
                         task.differ(system), own[0].get("checkpoint_mb", "-"), f"{minutes:.1f}"))
    return "\n".join(lines) + "\n"


def alphas_table(task):
    """Markdown: w.R and KL by alpha."""
    lines = header("system", "seeds", *(f"alpha {task.alphas(task.systems()[0])[i]:g}" for i in task.by_alpha(task.systems()[0])),
                   "KL against alpha")
    for system in task.systems():
        order, kl, reward = task.by_alpha(system), task.sampled(system, "kl"), task.scalar(system)
        lines.append(row(system, len(task.cells[system]), *(f"{reward[i]:.3f} at {kl[i]:.2f}" for i in order),
                         f"{task.kl_follows_alpha(system):.2f}"))
    return "w.R at KL (nats per summary), by alpha, and the rank correlation of the KL with it.\n\n" + "\n".join(lines) + "\n"


def weightings_table(task, system, digits):
    """Markdown: each reward at each weighting of the lowest alpha."""
    lowest = min(task.alphas(system))
    lines = header(", ".join(task.rewards), *task.rewards, "words", "KL")
    kl, curve = task.sampled(system, "kl"), task.curve(system)
    for i, point in enumerate(task.seeds(system)[0]["points"]):
        if point["alpha"] == lowest:
            lines.append(row(", ".join(f"{x:g}" for x in point["weights"]), *(f"{x:.{digits}f}" for x in curve[i]),
                             f"{point['words']:.1f}", f"{kl[i]:.2f}"))
    return "\n".join(lines) + "\n"


def samples(task, system):
    """Markdown: the first articles' summaries by weighting, as in D.2."""
    cell = task.seeds(system)[0]
    written = {tuple(point["weights"]): point["articles"].get("summaries", []) for point in cell["points"]
               if point["alpha"] == min(task.alphas(system))}
    shown = [w for w in ((1, 0), (.8, .2), (.5, .5), (.2, .8), (0, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1)) if written.get(w)]
    lines = [f"Summaries of {system}, seed {cell['seed']}, by the weights of {', '.join(task.rewards)}:", ""]
    lines += header("article", *(", ".join(f"{x:g}" for x in w) for w in shown))
    for article in range(len(written[shown[0]]) if shown else 0):
        lines.append(row(article + 1, *(written[w][article].replace("|", "/") for w in shown)))
    return "\n".join(lines) + "\n" if shown else ""


def section(task, folder):
    """Markdown of a task, with its figures drawn."""
    parts = [f"## {task.name}\n"]
    by_weight = len(set(map(tuple, task.weights(task.systems()[0])))) > 1
    by_alpha = len(set(task.alphas(task.systems()[0]))) > 1
    if by_weight and not by_alpha:
        parts.append(table(task))
        figures.fronts(task, folder / f"{task.name}.svg")
        parts.append(f"![{task.name}]({task.name}.svg)\n")
        if len(task.rewards) > 2 and task.has(cells.SOUPS):
            figures.bars(task, cells.SOUPS, folder / f"{task.name}-bars.svg")
            parts.append(f"![{task.name} by weighting]({task.name}-bars.svg)\n")
    if by_alpha:
        parts.append(alphas_table(task))
        figures.realignment(task, folder / f"{task.name}-kl.svg")
        parts.append(f"![{task.name} by alpha]({task.name}-kl.svg)\n")
    for system in ("attn", "full"):
        if by_weight and task.has(system):
            if by_alpha or len(task.rewards) > 2:
                parts.append(f"{system}, alpha {min(task.alphas(system)):g}:\n\n" + weightings_table(task, system, 3))
            parts.append(samples(task, system))
    return "\n".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path, help="run.py's --out")
    folder = parser.parse_args().folder
    tasks = [cells.Task(reference.parent) for reference in sorted(folder.glob("*/reference.json"))]
    tasks = [task for task in tasks if task.cells]
    page = [INTRODUCTION, claims.page(tasks), *(section(task, folder) for task in tasks)]
    (folder / "README.md").write_text("\n".join(page))


if __name__ == "__main__":
    main()
