"""The systems the paper compares, and what they are trained for, as parts of a configuration of trimtab-trainer."""

# Section 4.1.2, A.2 and 4.2.2.
SYSTEMS = {
    "full": {"policy": {"variant": "full"}},
    "attn": {"policy": {"variant": "attn"}},
    "logit": {"policy": {"variant": "logit"}},
    "prompting": {"policy": {"variant": "none"}, "prompted": True},
    "soups": {"policy": {"variant": "full"}, "sampling": {"vertices": True}},
    # As many steps for each reward as others have in all; only its vertices are what it is about.
    "single": {"policy": {"variant": "full"}, "sampling": {"vertices": True}},
    "full_prompted": {"policy": {"variant": "full"}, "prompted": True},
}

# Reward name -> the score it comes from. Ranges are measured on the reference model.
SCORES = {"rouge": "rouge_lsum", "nli": "nli", "quality": "quality", "brevity": "brevity",
          "grounding": "grounding", "precision": "rouge_lsum_precision", "recall": "rouge_lsum_recall"}

TASKS = {
    "rouge_nli": ("rouge", "nli"),
    "nli_quality": ("nli", "quality"),
    # These three need no reward model.
    "rouge_brevity": ("rouge", "brevity"),
    "rouge_grounding": ("rouge", "grounding"),
    "precision_recall": ("precision", "recall"),
    "grounding_quality": ("grounding", "quality"),
    "three": ("rouge", "nli", "quality"),
}

STEPS_OF_WEIGHT = 10  # Two rewards: weights 0, 0.1 ... 1.

# Figure 4's: the vertices, points between two, and the inside.
THREE_WEIGHTS = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (.8, .2, 0), (.5, .5, 0), (.2, .8, 0), (0, .8, .2), (0, .5, .5), (0, .2, .8),
                 (.8, 0, .2), (.5, 0, .5), (.2, 0, .8), (.34, .33, .33)]


def turns(system, rewards):
    """How many times the steps of the others a system is given."""
    return len(rewards) if system == "single" else 1


def weightings(rewards):
    """Those that every system is evaluated at."""
    if len(rewards) == 3:
        return THREE_WEIGHTS
    return [(1 - i / STEPS_OF_WEIGHT, i / STEPS_OF_WEIGHT) for i in range(STEPS_OF_WEIGHT + 1)]


def configuration(system, rewards, ranges, settings):
    """The configuration of one run. `settings` are keys of it that all systems share; `ranges` go by score."""
    parts = SYSTEMS[system]
    policy = {"name": system, "mixing": "fixed", "alpha_min": settings["alpha"], **parts["policy"]}
    if parts.get("prompted"):
        policy["prompt_labels"] = list(rewards)
    shared = {key: value for key, value in settings.items() if key != "alpha"}
    return {
        **shared,
        "policy": policy,
        "rewards": [{"name": name, "score": SCORES[name], "range": ranges[SCORES[name]]} for name in rewards],
        "sampling": parts.get("sampling", {}),
    }
