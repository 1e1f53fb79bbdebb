"""Puts a release build under load and prints what it held: ./dev load [SCENARIO...] [--json FILE]."""

import argparse
import dataclasses
import json
import sys

import endings
import memory
import mixtures
import steady
from processes import ROOT

SCENARIOS = {
    "L1": steady.closed_loop, "L2": steady.overload, "L3": steady.updates, "L4": mixtures.one_cold_weighting,
    "L5": mixtures.ever_new_weightings, "L6": endings.cancels, "L7": endings.deadlines, "L8": endings.no_readers,
    "L9": endings.drain, "L10": endings.churn, "L11": steady.flood, "L12": memory.squeezed,
}


def main():
    parser = argparse.ArgumentParser(prog="./dev load", description=__doc__)
    parser.add_argument("scenarios", nargs="*", choices=[[], *SCENARIOS], metavar="SCENARIO",
                        help=f"of {', '.join(SCENARIOS)}; default: all")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    parser.add_argument("--build", default=ROOT / "build/release", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    figures = []
    print(f"{'':4} {'figure':38} {'measured':34} {'asked':30} met")
    for name in arguments.scenarios or SCENARIOS:
        for figure in SCENARIOS[name](arguments.build):
            figures.append(figure)
            print(f"{figure.scenario:4} {figure.name:38} {figure.value:34} {figure.asked:30} "
                  f"{'yes' if figure.met else 'NO'}", flush=True)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump([dataclasses.asdict(figure) for figure in figures], file, indent=1)
    sys.exit(not all(figure.met for figure in figures))


if __name__ == "__main__":
    main()
