#!/usr/bin/env python3
"""Writes tests/trainer/testdata/adafactor.safetensors: trajectories of optax.adafactor, T5X's settings.

Gradients and starts are not random numbers but a formula that the test repeats, so that only results are stored.
Run in a virtual environment with optax, jax and safetensors. Usage: make_adafactor_goldens.py OUT
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
from safetensors.numpy import save_file

STEPS = 12
LEARNING_RATE = 1e-2
# Wide and tall matrices above the size from which moments are factored, one below, a vector, and one at rest near zero.
SHAPES = {"wide": (128, 160), "tall": (200, 130), "square": (128, 128), "small": (24, 130), "vector": (64,), "zero": (32, 8)}


def wave(shape, phase, scale):
    n = np.arange(np.prod(shape), dtype=np.float64)
    return (scale * np.sin(0.7 * n + phase) * (1.0 + 0.5 * np.cos(0.013 * n * (phase + 1.0)))).reshape(shape).astype(np.float32)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    params = {k: wave(s, 0.1 * i, 0.0 if k == "zero" else 0.5) for i, (k, s) in enumerate(SHAPES.items())}
    optimizer = optax.adafactor(learning_rate=LEARNING_RATE, multiply_by_parameter_scale=True, clipping_threshold=1.0,
                                momentum=None, factored=True)
    state = optimizer.init(params)
    golden = {}
    for step in range(STEPS):
        # Growing and shrinking, so that clipping acts in some steps and not in others.
        scale = 10.0 ** ((step * 5) % 7 - 3)
        grads = {k: wave(s, 0.3 * i + 1.7 * step, scale) for i, (k, s) in enumerate(SHAPES.items())}
        updates, state = optimizer.update(grads, state, params)
        params = optax.apply_updates(params, updates)
        if step in (0, 1, STEPS - 1):
            for k, v in params.items():
                # Of large tensors every 97th element.
                golden[f"{step}.{k}"] = np.asarray(v, dtype=np.float32).reshape(-1)[:: 97 if v.size > 1000 else 1].copy()
    save_file(golden, sys.argv[1], metadata={"optax": optax.__version__, "jax": jax.__version__})
    assert jnp.isfinite(params["wide"]).all()


if __name__ == "__main__":
    main()
