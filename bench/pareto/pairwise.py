#!/usr/bin/env python3
"""Whose summaries a judge prefers, article by article, as in the paper's section 4.3 and appendix D.1.

ONE and OTHER are cells of run.py, or what `trimtab-trainer evaluate --json --per-article` printed, of the same articles: the
first of --corpus. Each --compare takes their summaries at some steering, such as 0.8,0.2 or 0.8,0.2@0.01 with an alpha, to a
judge, in both orders. A judge is a command that reads an object {"document", "a", "b"} a line and writes a line "a", "b" or
"tie" for each; or score:NAME, which prefers what `trimtab-trainer score` gives more of that score.
"""

import argparse
import json
import pathlib
import shlex
import subprocess
import sys
import tempfile

import measures

ROOT = pathlib.Path(__file__).parents[2]
ANSWERS = ("a", "b", "tie")


class Problem(Exception):
    """What a person has to change."""


def preferred(first, swapped):
    """Which of "one" and "other", from the answers to (one, other) and to (other, one); None of a judge that contradicts
    itself or sees a tie."""
    return {("a", "b"): "one", ("b", "a"): "other"}.get((first, swapped))


def winner(preferences):
    """"one" where it is preferred in some comparison and its rival in none, "other" likewise, else "tie"."""
    sides = set(preferences) - {None}
    return sides.pop() if len(sides) == 1 else "tie"


def counts(winners):
    """Wins, ties and losses of one."""
    return winners.count("one"), winners.count("tie"), winners.count("other")


def lead(winners):
    """Wins less losses, as a share of the articles, with its bootstrap interval."""
    gains = [{"one": 1, "tie": 0, "other": -1}[each] for each in winners]
    low, high = measures.bootstrap(lambda articles, _: sum(gains[i] for i in articles) / len(gains), len(gains), 1)
    return sum(gains) / len(gains), low, high


def points(path):
    """Of a cell, or of lines of evaluate."""
    lines = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    return lines[0]["points"] if lines and "points" in lines[0] else lines


def steering(weights, alpha):
    return ",".join(f"{x:g}" for x in weights) + (f"@{alpha:g}" if alpha is not None else "")


def summaries(path, weights, alpha=None):
    """What was written there."""
    found = points(path)
    there = [point for point in found if steering(point["weights"], None) == steering(weights, None)
             and alpha in (None, point["alpha"])]
    if len(there) == 1:
        return there[0]["articles"]["summaries"]
    has = " ".join(steering(point["weights"], point["alpha"]) for point in found)
    raise Problem(f"{path} has {len(there)} points at {steering(weights, alpha)}, expected one; it has {has or 'none'}")


def command_judge(command):
    """Asks a program."""
    def ask(questions):
        asked = "".join(json.dumps(question) + "\n" for question in questions)
        said = subprocess.run(shlex.split(command), input=asked, text=True, check=True, stdout=subprocess.PIPE).stdout
        answers = said.split()
        if len(answers) != len(questions) or not set(answers) <= set(ANSWERS):
            raise Problem(f"{command} answered {len(questions)} questions with {len(answers)} words, "
                          f"such as {' '.join(answers[:3])}; expected a line a, b or tie for each")
        return answers
    return ask


def score_judge(name, trainer, judges, references):
    """Goes by one score of trimtab-trainer. `references`: document -> the summary people wrote."""
    def ask(questions):
        texts = sorted({(q["document"], q[side]) for q in questions for side in "ab"})
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
            for document, summary in texts:
                file.write(json.dumps({"document": document, "summary": summary.strip() or ".",
                                       "reference": references[document]}) + "\n")
            file.flush()
            said = subprocess.run([trainer, "score", "--texts", file.name, "--judges", judges], text=True, check=True,
                                  stdout=subprocess.PIPE).stdout
        scores = dict(zip(texts, map(json.loads, said.splitlines())))
        if name not in scores[texts[0]]:
            raise Problem(f"there is no score {name}; there are {', '.join(scores[texts[0]])}")
        answers = []
        for q in questions:
            a, b = (scores[q["document"], q[side]][name] for side in "ab")
            answers.append("tie" if a == b else "a" if a > b else "b")
        return answers
    return ask


def compare(documents, ones, others, ask):
    """Which of two summaries of each document is preferred."""
    questions = [question for document, one, other in zip(documents, ones, others)
                 for question in ({"document": document, "a": one, "b": other}, {"document": document, "a": other, "b": one})]
    answers = ask(questions)
    return [preferred(*pair) for pair in zip(answers[::2], answers[1::2])]


def shares(values, sides):
    return ", ".join(f"{name} {100 * values.count(side) / len(values):.1f} %" for name, side in sides)


def parser():
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("one", type=pathlib.Path)
    made.add_argument("other", type=pathlib.Path)
    made.add_argument("--corpus", type=pathlib.Path, required=True, help="JSONL the summaries are of")
    made.add_argument("--compare", nargs=2, action="append", required=True, metavar=("STEERING", "JUDGE"),
                        help="may be given again, as the paper asks for conciseness and for quality: "
                             "--compare 0.8,0.2 JUDGE --compare 0.2,0.8 JUDGE")
    made.add_argument("--judges", help="folder whose reward_models/ say scores")
    made.add_argument("--trainer", default=str(ROOT / "build/release/trainer/trimtab-trainer"))
    return made


def run(arguments):
    corpus = [json.loads(line) for line in arguments.corpus.read_text().splitlines() if line.strip()]
    documents = [example["document"] for example in corpus]
    references = {example["document"]: example["summary"] for example in corpus}
    comparisons = []
    for text, judge in arguments.compare:
        weights, _, alpha = text.partition("@")
        at = [float(weight) for weight in weights.split(",")], float(alpha) if alpha else None
        scored = judge.startswith("score:")
        if scored and not arguments.judges:
            raise Problem(f"{judge} needs --judges")
        ask = score_judge(judge[6:], arguments.trainer, arguments.judges, references) if scored else command_judge(judge)
        preferences = compare(documents, summaries(arguments.one, *at), summaries(arguments.other, *at), ask)
        comparisons.append(preferences)
        print(f"at {text} {judge} prefers:", shares(preferences, (("one", "one"), ("other", "other"), ("neither", None))))
    winners = [winner(preferences) for preferences in zip(*comparisons)]
    gain, low, high = (100 * x for x in lead(winners))
    wins, ties, losses = counts(winners)
    print(f"{len(winners)} articles: {wins} wins, {ties} ties, {losses} losses of {arguments.one.stem} against "
          f"{arguments.other.stem}; wins less losses {gain:+.1f} % [{low:+.1f}, {high:+.1f}]")


if __name__ == "__main__":
    try:
        run(parser().parse_args())
    except (Problem, OSError, subprocess.CalledProcessError) as problem:
        sys.exit(f"pairwise.py: {problem}")
