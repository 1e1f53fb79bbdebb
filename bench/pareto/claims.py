"""The paper's claims, one by one, with what the cells say of each. Markdown; nothing by hand."""

import measures
from cells import SOUPS

UNEVEN = ("full_uneven", "attn_uneven")  # Trained at weightings nearer the vertices.


def intervals(task, statistic, systems):
    return "; ".join(f"{system} {task.interval(statistic, system)}" for system in systems if task.has(system))


def dominance(task):
    """(a) full- and attn-CLP Pareto-dominate Rewarded Soups inside; soups are ahead at the vertices."""
    if not task.has(SOUPS) or not task.has("attn"):
        return
    ours = [system for system in ("full", "attn") if task.has(system)]
    above = ", ".join(f"{system} {task.dominated(system, SOUPS)}" for system in ours)
    yield (f"hypervolume over soups: {intervals(task, task.volume_over(SOUPS), ours)}. w.R inside, more than soups: "
           f"{intervals(task, task.inside_over(SOUPS), ours)}. All rewards above at: {above}.")
    vertices = [i for i, w in enumerate(task.weights(SOUPS)) if max(w) == 1]
    for system in ours:
        behind = [task.scalar(SOUPS)[i] - task.scalar(system)[i] for i in vertices]
        yield f"at the vertices soups are ahead of {system} by {', '.join(f'{x:.3f}' for x in behind)}."
    if task.has("single"):
        yield ("against soups of twice the budget (single): "
               f"hypervolume {intervals(task, task.volume_over('single'), ours)}, w.R inside "
               f"{intervals(task, task.inside_over('single'), ours)}.")


def spreads(task):
    """(b) They spread wider than prompting and logit-CLP."""
    for other in ("prompting", "logit"):
        if task.has(other, "attn"):
            yield f"wider than {other} by {intervals(task, task.spread_over(other), ('full', 'attn', *UNEVEN))}."


def economy(task):
    """(c) attn-CLP is near full-CLP with a fraction of the parameters."""
    if task.has("full", "attn"):
        size = {system: task.seeds(system)[0].get("checkpoint_mb", 0) for system in ("full", "attn")}
        yield (f"hypervolume of attn over full: {task.interval(task.volume_over('full'), 'attn')}; "
               f"{size['attn']} MB against {size['full']}.")


def realignment(task):
    """(d) Multi-KL CLP matches the trade-off of decoding-time realignment (its speed: `./dev bench dera`)."""
    if not task.has("dera", "full"):
        return
    for system in ("full", "attn", "interpolated"):
        if task.has(system):
            yield (f"area of w.R over KL: {system} {area(task, system):.3f}, dera {area(task, 'dera'):.3f} "
                   f"(ratio {area(task, system) / area(task, 'dera'):.2f}).")


def mixing(task):
    """(e) softmdp mixing steers better than linear."""
    if not task.has("full", "full_linear"):
        return
    for system in ("full", "full_linear"):
        order, kl = task.by_alpha(system), task.sampled(system, "kl")
        steps = [kl[a] - kl[b] for a, b in zip(order, order[1:])]
        largest = max(steps) / max(kl[order[0]] - kl[order[-1]], 1e-9)
        yield (f"{system}: rank correlation of KL with alpha {task.kl_follows_alpha(system):.2f}, KL from {kl[order[0]]:.2f} to {kl[order[-1]]:.2f}, "
               f"of which the largest step between two neighbouring alphas takes {100 * largest:.0f} %; area "
               f"{area(task, system):.3f}.")


def uneven(task):
    """C.7: hardly anything depends on how weightings are drawn in training, evenly or near the vertices (Dirichlet(0.3))."""
    for system in UNEVEN:
        even = system.removesuffix("_uneven")
        if task.has(system, even):
            yield (f"{system} spreads wider than {even} by {task.interval(task.spread_over(even), system)}; its hypervolume over "
                   f"{even}'s {task.interval(task.volume_over(even), system)}, w.R inside, more than {even}: "
                   f"{task.interval(task.inside_over(even), system)}.")


def visible(task):
    """Steering one can see: rank correlations of 0.9, half the distance of single-objective runs, 60 % differing."""
    for system in ("full", "attn", *UNEVEN):
        if not task.has(system) or len(set(map(tuple, task.weights(system)))) < 2:
            continue
        said = f"{system}: rank correlations {', '.join(f'{x:.2f}' for x in task.steering(system))}, {task.differ(system)} differ"
        if task.has("single"):
            said += f", spread {100 * task.spread(system) / task.spread('single'):.0f} % of that of single-objective runs"
        yield said + f" ({task.count()} articles)."


def area(task, system):
    """What (w.R, -KL) dominate above the reference's w.R and the largest KL of any system."""
    largest = max(max(task.sampled(one, "kl")) for one in task.systems())
    order, kl, reward = task.by_alpha(system), task.sampled(system, "kl"), task.scalar(system)
    start = sum(x * r for x, r in zip(task.weights(system)[-1], task.reference))
    return measures.hypervolume([[reward[i], -kl[i]] for i in order], [start, -largest])


CLAIMS = (dominance, spreads, economy, realignment, mixing, uneven, visible)


def page(tasks):
    lines = ["## Claim by claim", ""]
    for claim in CLAIMS:
        said = [f"- {task.name}: {line}" for task in tasks for line in claim(task)]
        lines += [f"**{claim.__doc__}**", "", *(said or ["- Not run."]), ""]
    return "\n".join(lines)
