"""The systems the paper compares, and what they are trained for, as parts of a configuration of trimtab-trainer."""

import dataclasses

# Reward name -> the score it comes from. Ranges are measured on the reference model.
SCORES = {"rouge": "rouge_lsum", "nli": "nli", "quality": "quality", "brevity": "brevity",
          "grounding": "grounding", "precision": "rouge_lsum_precision", "recall": "rouge_lsum_recall"}

TWO_WEIGHTS = tuple((1 - i / 10, i / 10) for i in range(11))

# Figure 4's: the vertices, points between two, and the inside.
THREE_WEIGHTS = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (.8, .2, 0), (.5, .5, 0), (.2, .8, 0), (0, .8, .2), (0, .5, .5), (0, .2, .8),
                 (.8, 0, .2), (.5, 0, .5), (.2, 0, .8), (.34, .33, .33))

ALPHAS = (.01, .02, .05, .1, .2, .3, .5, .7, 1)
UNIFORM = (.34, .33, .33)


@dataclasses.dataclass(frozen=True)
class Task:
    """What is to be traded off. Every system is evaluated at all `steerings`, (w, alpha); alpha None is the policy's."""
    rewards: tuple
    steerings: tuple
    mixing: str = "fixed"
    sampling: dict = dataclasses.field(default_factory=dict)


def steerings(task, alpha_min):
    """Those of a task that a policy of this alpha_min can follow; what lies below is lifted to it."""
    return list(dict.fromkeys((w, None if alpha is None else max(alpha, alpha_min)) for w, alpha in TASKS[task].steerings))


def at_fixed_alpha(*rewards):
    weights = TWO_WEIGHTS if len(rewards) == 2 else THREE_WEIGHTS
    return Task(rewards, tuple((w, None) for w in weights))


TASKS = {
    "rouge_nli": at_fixed_alpha("rouge", "nli"),
    "nli_quality": at_fixed_alpha("nli", "quality"),
    # These three need no reward model.
    "rouge_brevity": at_fixed_alpha("rouge", "brevity"),
    "rouge_grounding": at_fixed_alpha("rouge", "grounding"),
    "precision_recall": at_fixed_alpha("precision", "recall"),
    "grounding_quality": at_fixed_alpha("grounding", "quality"),
    "three": at_fixed_alpha("rouge", "nli", "quality"),
    # Section 4.1.1: one composite reward, 0.9 consistency + 0.1 ROUGE, against the KL.
    "composite": Task(("rouge", "nli"), tuple(((.1, .9), alpha) for alpha in ALPHAS), "softmdp", {"w": [.1, .9]}),
    # Equation 2: alpha and w together.
    "joint": Task(("rouge", "nli", "quality"),
                  tuple((w, .01) for w in THREE_WEIGHTS) + tuple((UNIFORM, alpha) for alpha in ALPHAS[1:]), "softmdp",
                  {"dirichlet": [.5]}),
}


@dataclasses.dataclass(frozen=True)
class System:
    """How it is made: 4.1.2, A.2 and 4.2.2."""
    policy: dict
    sampling: dict = dataclasses.field(default_factory=dict)
    prompted: bool = False
    turns: int = 1        # Times the steps of the others.
    realign: bool = False  # Alphas are mixed at decoding time.
    trained_as: str = ""   # The system whose runs these are.


SYSTEMS = {
    "full": System({"variant": "full"}),
    "attn": System({"variant": "attn"}),
    "logit": System({"variant": "logit"}),
    "prompting": System({"variant": "none"}, prompted=True),
    # C.7: weightings nearer the vertices, w ~ Dirichlet(0.3).
    "full_uneven": System({"variant": "full"}, {"dirichlet": [.3]}),
    "attn_uneven": System({"variant": "attn"}, {"dirichlet": [.3]}),
    "full_prompted": System({"variant": "full"}, prompted=True),
    "soups": System({"variant": "full"}, {"vertices": True}),
    # Two rewards: as many steps for each as others have for both. Its vertices are single-objective runs, the rest is
    # Rewarded Soups with twice the budget.
    "single": System({"variant": "full"}, {"vertices": True}, turns=2),
    # Of the composite reward alone.
    "full_linear": System({"variant": "full", "mixing": "linear"}),
    "dera": System({"variant": "full"}, {"alpha": ALPHAS[0]}, realign=True),
    # The same policy as dera's, its parameters mixed with the reference's where dera mixes logits.
    "interpolated": System({"variant": "full"}, {"alpha": ALPHAS[0]}, trained_as="dera"),
}


def configuration(system, task, ranges, settings):
    """The configuration of one run. `settings` are keys of it that all systems share; `ranges` go by score."""
    made, wanted = SYSTEMS[system], TASKS[task]
    policy = {"name": system, "mixing": wanted.mixing, "alpha_min": settings["alpha"], **made.policy}
    if made.prompted:
        policy["prompt_labels"] = list(wanted.rewards)
    shared = {key: value for key, value in settings.items() if key != "alpha"}
    return {
        **shared,
        "steps": settings["steps"] * made.turns,
        "policy": policy,
        "rewards": [{"name": name, "score": SCORES[name], "range": ranges[SCORES[name]]} for name in wanted.rewards],
        "sampling": {**wanted.sampling, **made.sampling},
    }
