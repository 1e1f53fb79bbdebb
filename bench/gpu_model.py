#!/usr/bin/env python3
"""What a decode step on a GPU takes, kernel by kernel, COMPUTED from bytes and operations and from data sheets; nothing is measured.

Each kernel takes the longer of its traffic over the memory's bandwidth and its operations over the arithmetic's peak; that
is a bound from below. Weights in bfloat16, activations in two halves (twice the multiply-adds), keys and values in
float32; what fits the second cache between two kernels (activations, logits) is counted as traffic all the same.

usage: gpu_model.py [--rows N ...] [--written N]
"""

import argparse
import collections

# Bytes/s, bfloat16 tensor-core FLOP/s (dense), float32 FLOP/s: the makers' data sheets.
GPUS = {"A100 80 GB SXM": (2.039e12, 312e12, 19.5e12), "H100 SXM": (3.35e12, 989e12, 67e12)}

Shape = collections.namedtuple("Shape", "d inner d_ff heads layers vocab article")
MODELS = {
    "FLAN-T5-base": Shape(768, 768, 2048, 12, 12, 32128, 512),
    "FLAN-T5-XL": Shape(2048, 2048, 5120, 32, 24, 32128, 350),
}


class Step:
    """Launches, bytes, tensor-core and other operations of each kernel of one step."""

    def __init__(self, shape, rows, written):
        self.rows, self.kernels = rows, {}
        s, layers = shape, shape.layers
        self.add("embedding", 1, 2 * 4 * rows * s.d)
        self.add("norm", 3 * layers + 1, 3 * 4 * rows * s.d, other=4 * rows * s.d)
        products = {
            "q, k, v of self-attention": (s.d, 3 * s.inner, layers),
            "o of both attentions": (s.inner, s.d, 2 * layers),
            "q of cross-attention": (s.d, s.inner, layers),
            "feed-forward, in": (s.d, 2 * s.d_ff, layers),
            "feed-forward, out": (s.d_ff, s.d, layers),
            "output layer": (s.d, s.vocab, 1),
        }
        for name, (inputs, outputs, times) in products.items():
            self.add("prepare activations", times, 8 * rows * inputs)
            self.add(name, times, 2 * inputs * outputs + 4 * rows * (inputs + outputs), tensor=4 * rows * inputs * outputs)
        self.add("scatter keys, values", 2 * layers, 8 * rows * s.inner)
        for name, length in (("self-attention", written), ("cross-attention", s.article)):
            self.add(name, layers, 8 * rows * length * s.inner, other=4 * rows * length * s.inner)
        self.add("choose (greedy)", 1, 4 * rows * s.vocab)

    def add(self, name, launches, traffic, tensor=0, other=0):
        """So many launches, each of such traffic and operations."""
        before = self.kernels.get(name, (0, 0, 0, 0))
        each = (launches, launches * traffic, launches * tensor, launches * other)
        self.kernels[name] = tuple(a + b for a, b in zip(before, each))

    def microseconds(self, name, gpu):
        bandwidth, tensor_peak, peak = GPUS[gpu]
        _, traffic, tensor, other = self.kernels[name]
        return 1e6 * max(traffic / bandwidth, tensor / tensor_peak, other / peak)


def table(model, rows, written):
    shape = MODELS[model]
    step = Step(shape, rows, written)
    print(f"\n{model}, {rows} rows, articles of {shape.article} tokens, {written} tokens written (computed, not measured)\n")
    print("| kernel | launches | MB | GFLOP | " + " | ".join(f"{gpu}, us" for gpu in GPUS) + " |")
    print("| --- | --- | --- | --- |" + " --- |" * len(GPUS))
    for name, (launches, traffic, tensor, other) in step.kernels.items():
        times = " | ".join(f"{step.microseconds(name, gpu):.1f}" for gpu in GPUS)
        print(f"| {name} | {launches} | {traffic / 1e6:.1f} | {(tensor + other) / 1e9:.2f} | {times} |")
    launches, traffic, tensor, other = (sum(column) for column in zip(*step.kernels.values()))
    times = " | ".join(f"{sum(step.microseconds(name, gpu) for name in step.kernels):.0f}" for gpu in GPUS)
    print(f"| all | {launches} | {traffic / 1e6:.0f} | {(tensor + other) / 1e9:.2f} | {times} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 32, 64])
    parser.add_argument("--written", type=int, default=64, help="tokens in the slots of self-attention")
    args = parser.parse_args()
    for model in MODELS:
        for rows in args.rows:
            table(model, rows, args.written)


if __name__ == "__main__":
    main()
