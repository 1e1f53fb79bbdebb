#!/usr/bin/env python3
"""Trains and evaluates the paper's systems on one corpus, a cell (task, system, seed) at a time.

Each cell ends as one JSON file under --out; cells that have theirs are passed over, and one that was cut off goes on from
its last checkpoint, so the same command may be given again until everything is there. Then report.py draws them.
"""

import argparse
import json
import pathlib
import re
import subprocess
import time

import systems

SAMPLES = 8  # Articles whose summaries a cell keeps.
ROOT = pathlib.Path(__file__).parents[2]
RANGE = re.compile(r"^(\w+): (\S+) maps to 0, (\S+) to 1$", re.MULTILINE)
QUICK = {"steps": 20, "batch": 8, "count": 20, "tasks": ["rouge_brevity"], "systems": ["attn", "soups"], "seeds": [1]}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", required=True, help="the plain T5 every run begins as; its reward_models/ judge")
    parser.add_argument("--corpus", required=True, help="folder with train.jsonl and valid.jsonl")
    parser.add_argument("--work", required=True, help="folder for runs and checkpoints; not committed")
    parser.add_argument("--out", default=str(ROOT / "bench/results/pareto"), help="folder of the cells' results")
    parser.add_argument("--tasks", nargs="+", default=["rouge_nli"], choices=sorted(systems.TASKS))
    parser.add_argument("--systems", nargs="+", default=["full", "attn", "soups", "prompting"],
                        choices=sorted(systems.SYSTEMS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--value-learning-rate", type=float, default=3e-3)
    parser.add_argument("--alpha", type=float, default=0.01)
    parser.add_argument("--count", type=int, default=200, help="held-out articles")
    parser.add_argument("--max-input-tokens", type=int, default=96)
    parser.add_argument("--max-new-tokens", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no cell after so many")
    parser.add_argument("--trainer", default=str(ROOT / "build/release/trainer/trimtab-trainer"))
    parser.add_argument("--publish", metavar="HOST:PORT", help="a trimtabd on the task's reference-*/latest, to stream runs into")
    parser.add_argument("--publish-every", type=int, default=20, help="steps")
    parser.add_argument("--quick", action="store_true", help="the machinery alone: minutes, and results that say nothing")
    arguments = parser.parse_args()
    if arguments.quick:
        vars(arguments).update(QUICK)
    return arguments


class Bench:
    """One command's cells."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.work = pathlib.Path(arguments.work)
        self.out = pathlib.Path(arguments.out)
        self.work.mkdir(parents=True, exist_ok=True)

    def trainer(self, *arguments):
        """What it prints."""
        return subprocess.run([self.arguments.trainer, *map(str, arguments)], check=True, text=True,
                              stdout=subprocess.PIPE).stdout

    def configure(self, name, task, system, seed, ranges):
        """Writes the configuration of a run; returns its path and the run's folder."""
        chosen = self.arguments
        settings = {
            "alpha": chosen.alpha, "out": str(self.work / name), "start": chosen.reference,
            "corpus": f"{chosen.corpus}/train.jsonl", "seed": seed,
            "steps": chosen.steps, "batch": chosen.batch,
            "learning_rate": chosen.learning_rate, "value_learning_rate": chosen.value_learning_rate,
            "max_input_tokens": chosen.max_input_tokens, "max_new_tokens": chosen.max_new_tokens,
            "threads": chosen.threads, "checkpoint_every": 100, "keep_checkpoints": 1,
        }
        if chosen.publish:
            settings["publish"] = {"servers": [chosen.publish], "every": chosen.publish_every, "form": "float32"}
        path = self.work / f"{name}.json"
        path.write_text(json.dumps(systems.configuration(system, task, ranges, settings), indent=2))
        return path, self.work / name

    def scoring(self):
        chosen = self.arguments
        return ["--judges", chosen.reference, "--corpus", f"{chosen.corpus}/valid.jsonl", "--count", chosen.count,
                "--threads", chosen.threads, "--max-input-tokens", chosen.max_input_tokens]

    def ranges(self, task):
        """What maps to 0 and to 1: quantiles of the reference's scores, measured once for each task."""
        path = self.work / f"ranges-{task}.json"
        if not path.exists():
            unknown = {score: [0, 1] for score in systems.SCORES.values()}
            config, run = self.configure(f"begin-{task}", task, "attn", 0, unknown)
            self.trainer("train", config, "--only-begin")
            said = self.trainer("calibrate", "--dry-run", "--model", run / "latest", *self.scoring())
            path.write_text(json.dumps({name: [float(low), float(high)] for name, low, high in RANGE.findall(said)}))
        return json.loads(path.read_text())

    def evaluate(self, model, steerings, realign=False):
        """One point for each (w, alpha)."""
        asked = [argument for w, _ in steerings for argument in ("--weights", ",".join(f"{x:g}" for x in w))]
        asked += [argument for _, alpha in steerings if alpha is not None for argument in ("--alpha", alpha)]
        said = self.trainer("evaluate", "--model", model, "--reference", self.arguments.reference, "--json",
                            "--per-article", "--max-new-tokens", self.arguments.max_new_tokens, *asked,
                            *(["--realign"] if realign else []), *self.scoring())
        return [json.loads(line) for line in said.splitlines()]

    @staticmethod
    def condensed(points):
        """What a cell keeps of an evaluation: of each article the rewards, and the summaries of the first few. Summaries
        differ between the vertices, or where there are none between the first point and the last."""
        written = [point["articles"]["summaries"] for point in points]
        ends = [w for point, w in zip(points, written) if max(point["weights"]) == 1] or [written[0], written[-1]]
        differ = sum(len(set(summaries)) > 1 for summaries in zip(*ends)) / len(written[0])
        for point in points:
            articles = point["articles"]
            point["articles"] = {"summaries": articles["summaries"][:SAMPLES],
                                 "rewards": {name: [round(value, 3) for value in values]
                                             for name, values in articles["rewards"].items()}}
        return {"differ_between_vertices": differ, "points": points}

    @staticmethod
    def minutes(run):
        """That the steps of a run took, interruptions left out."""
        with open(run / "log.jsonl", encoding="utf-8") as log:
            return sum(sum(json.loads(line)["seconds"].values()) for line in log) / 60

    def result(self, task, system, seed):
        return self.out / task / f"{system}-seed{seed}.json"

    def cell(self, task, system, seed):
        made, wanted = systems.SYSTEMS[system], systems.TASKS[task]
        trained_as = made.trained_as or system
        ranges = self.ranges(task)
        config, run = self.configure(f"{task}-{trained_as}-{seed}", task, trained_as, seed, ranges)
        self.trainer("train", config)
        self.write(self.result(task, system, seed), {
            "task": task, "system": system, "seed": seed, "rewards": wanted.rewards,
            "ranges": {reward: ranges[systems.SCORES[reward]] for reward in wanted.rewards},
            "settings": {key: getattr(self.arguments, key) for key in (
                "steps", "batch", "learning_rate", "value_learning_rate", "alpha", "count", "max_input_tokens",
                "max_new_tokens")},
            "checkpoint_mb": round(sum(file.stat().st_size for file in (run / "latest").rglob("*.safetensors")
                                       if "reward_models" not in file.parts) / 1e6),
            "training_minutes": round(self.minutes(run), 1),
            **self.condensed(self.evaluate(run / "latest", systems.steerings(task, self.arguments.alpha), made.realign)),
        })

    def reference(self, task):
        """What every run begins as, measured alike: hypervolumes are counted from it."""
        rewards = systems.TASKS[task].rewards
        config, run = self.configure(f"reference-{task}", task, "attn", 0, self.ranges(task))
        self.trainer("train", config, "--only-begin")
        points = self.evaluate(run / "latest", [(tuple(1 / len(rewards) for _ in rewards), None)])
        self.write(self.out / task / "reference.json",
                   {"task": task, "rewards": rewards, **self.condensed(points)})

    @staticmethod
    def write(path, result):
        """As a whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".tmp")
        beside.write_text(json.dumps(result, separators=(",", ":")) + "\n")
        beside.rename(path)
        print(f"wrote {path}", flush=True)

    def run(self):
        chosen = self.arguments
        start = time.monotonic()
        for task in chosen.tasks:
            if not (self.out / task / "reference.json").exists():
                self.reference(task)
            for seed in chosen.seeds:
                for system in chosen.systems:
                    if self.result(task, system, seed).exists():
                        continue
                    if time.monotonic() - start > 60 * chosen.minutes:
                        return
                    self.cell(task, system, seed)


if __name__ == "__main__":
    Bench(parse_arguments()).run()
