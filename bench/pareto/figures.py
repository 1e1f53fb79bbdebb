"""The paper's figures out of cells, as SVG. Equal cells give equal bytes. Needs matplotlib."""


def axes_of(name):
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = name
    from matplotlib import pyplot
    return pyplot, *pyplot.subplots(figsize=(6, 4.5))


def save(pyplot, figure, path):
    figure.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close(figure)


def fronts(task, path):
    """Figure 3: the curve of every system over the first two rewards."""
    pyplot, figure, axes = axes_of(task.name)
    for system in task.systems():
        points = task.curve(system)
        axes.plot([p[0] for p in points], [p[1] for p in points], "o" if len(task.rewards) > 2 else "o-", markersize=4,
                  label=system)
    axes.plot(*task.reference[:2], "k*", markersize=10, label="reference")
    axes.set_xlabel(task.rewards[0])
    axes.set_ylabel(task.rewards[1])
    axes.legend()
    save(pyplot, figure, path)


def realignment(task, path):
    """Figure 2: the reward against the divergence, by alpha."""
    pyplot, figure, axes = axes_of(task.name)
    for system in task.systems():
        order, kl, reward = task.by_alpha(system), task.sampled(system, "kl"), task.scalar(system)
        axes.plot([kl[i] for i in order], [reward[i] for i in order], "o-", markersize=4, label=system)
    axes.set_xlabel("KL from the reference, nats per summary")
    axes.set_ylabel("w.R")
    axes.legend()
    save(pyplot, figure, path)


def bars(task, other, path):
    """Figure 4: 1 - value / value of `other` at each weighting; lower is better."""
    pyplot, figure, axes = axes_of(task.name)
    shown = [system for system in task.systems() if system != other]
    below = task.sampled(other, "value")
    for place, system in enumerate(shown):
        value = task.sampled(system, "value")
        axes.bar([i + place / (len(shown) + 1) for i in range(len(value))], [1 - v / b for v, b in zip(value, below)],
                 width=1 / (len(shown) + 1), label=system)
    axes.set_xticks(range(len(below)), [",".join(f"{x:g}" for x in w) for w in task.weights(other)], rotation=90, fontsize=6)
    axes.axhline(0, color="black", linewidth=.5)
    axes.set_ylabel(f"1 - value / value of {other}")
    axes.legend()
    figure.tight_layout()
    save(pyplot, figure, path)
