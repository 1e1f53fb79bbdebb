"""Writes tests/model/testdata/affinity/keys.tsv, which the tests of both clients read: make_affinity_golden.py FILE

A line: mixing, alpha_min, grid bits of w and of beta, alpha, weights, coefficients in units of 2^-20, key. Numbers are
hexadecimal floats where they are no integers, so nothing is rounded.
"""

import random
import sys

from trimtab import affinity

MIXINGS = ("softmdp", "linear", "fixed")


def weighting(generator, count):
    weights = [generator.expovariate(1.0) for _ in range(count)]
    scale = sum(weights) * (1.0 + generator.uniform(-9e-4, 9e-4))  # Off by what is normalised.
    return [min(weight / scale, 1.0) for weight in weights]


def cases(generator):
    for mixing in MIXINGS:
        for count in (1, 2, 3, 16):
            for bits in (1, 6, 20):
                alpha_min = generator.choice((0.01, 0.1, 0.5, 1.0))
                alphas = {alpha_min} if mixing == "fixed" else {alpha_min, 1.0, generator.uniform(alpha_min, 1.0)}
                corner = [1.0] + [0.0] * (count - 1)
                even = [1.0 / count] * count
                for alpha in sorted(alphas):
                    for weights in (corner, even, weighting(generator, count)):
                        yield mixing, alpha_min, bits, generator.choice((bits, 20)), alpha, weights


def line(mixing, alpha_min, w_bits, beta_bits, alpha, weights):
    rewards = tuple(f"r{i}" for i in range(len(weights)))
    served = affinity.Served(rewards, mixing, alpha_min, alpha_min, w_bits, beta_bits)
    coefficients = affinity.coefficients(served, {"alpha": alpha, "weights": weights})
    units = [int(c * 2**20) for c in coefficients]
    numbers = [alpha_min.hex(), str(w_bits), str(beta_bits), alpha.hex(), ",".join(w.hex() for w in weights)]
    return "\t".join([mixing, *numbers, ",".join(map(str, units)), affinity.affinity_key(coefficients)])


if __name__ == "__main__":
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        for case in cases(random.Random(7)):
            print(line(*case), file=out)
