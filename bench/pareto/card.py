#!/usr/bin/env python3
"""Writes the model card of a packed checkpoint out of what was measured of it: its cell, its judges' logs, its files."""

import argparse
import json
import pathlib
import re

import cells
from report import header, row, samples, weightings_table

ACCURACY = re.compile(r"accuracy ([0-9.]+)")

CARD = """# {name}

A small steerable summariser: it turns the description of a software package into its synopsis, and a caller chooses, with each
request, how much wording that people use (`rouge`), what follows from the text (`nli`) and form (`quality`) weigh, and by
alpha how far from the reference the summary may be. It comes with Trimtab so that the server has something to serve at once.

## What it is

- A T5 with gated feed-forward layers and tied embeddings: {layers} encoder and {decoder_layers} decoder layers, d_model {d_model}, {heads} heads of {d_kv},
  d_ff {d_ff}, {vocab} SentencePiece pieces; {parameters:.2f} million parameters in one mixture, stored as BF16.
- Variant `attn`: q, k, v, o and the relative biases exist once for each reward and once as the reference; {conditioned:.2f} million parameters in
  each set. All else is shared. Mixing is softmdp, alpha from {alpha_min:g} to 1.
- {judges} reward models, for Explore's scores. All files together: {megabytes:.1f} MB.
- Presets: {presets}.

## How it was made

By one command, `STEPS={steps} ./dev learn DIR`, from the package lists of a Debian 12 machine: a reference model from nothing, judges,
and attn-CLP over alpha and w together (eq. 2 of the paper) by Algorithm 1: {steps} steps of {batch} articles cut to {input_tokens} tokens, summaries of at most
{new_tokens}, w ~ Dirichlet(0.5), Adafactor at {rate:g}, {minutes:.0f} minutes of one thread's steps.

**The labels are constructed.** `nli` was taught on true synopses and first sentences against the nearest wrong ones and texts with one number or
name changed; `quality` on synopses against ones cut short, repeated, shuffled or of another package. On held-out constructed pairs
{accuracies}. No person judged anything; agreement with people is not known.

## What to expect

{count} held-out descriptions, greedy, at alpha {alpha_min:g}; rewards are mapped to 0..1 over the reference's own quantiles, KL is of samples:

{weightings}
Rank correlation of each reward with its weight over these weightings: {steering}. {differ} of the summaries are not the same at all three
vertices. With the weights even, by alpha:

{alphas}
{samples}
## Limits

- It knows package descriptions in English and nothing else; on news or prose it is of no use.
- It reads {input_tokens} tokens of a description in training; what stands further down is rarely used.
- It repeats itself now and then, spells names it does not know in pieces, and may say what the text does not.
- A reward is what its judge learned, mistakes included: a high value is no promise of truth. With most of the weight on `quality`
  and alpha near {alpha_min:g} the model writes what that judge takes for form ("for the the the"); a higher alpha, a mixed weighting or
  `no_repeat_ngram_size` hold it back.
- At alpha 1 the attention is the reference's, the shared tensors are those that training moved: the KL is not 0 there.
- For trying a server and its tools; not for decisions that matter.

Licence: Apache-2.0. The training texts are descriptions of Debian packages, which are not part of this folder.
"""


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=pathlib.Path, help="packed; MODEL_CARD.md goes there")
    parser.add_argument("--cell", type=pathlib.Path, required=True, help="run.py's file of the task joint")
    parser.add_argument("--judge-log", metavar="NAME=FILE", action="append", default=[],
                        help="what `trimtab-trainer reward-model` printed")
    return parser.parse_args()


def accuracies(logs):
    last = {name: ACCURACY.findall(pathlib.Path(file).read_text())[-1] for name, file in (log.split("=", 1) for log in logs)}
    return " and ".join(f"`{name}` is right about {100 * float(value):.0f} %" for name, value in last.items()) or "not measured"


def elements(checkpoint, file):
    """Of all tensors of a safetensors file."""
    data = (checkpoint / file).read_bytes()
    head = json.loads(data[8:8 + int.from_bytes(data[:8], "little")])
    total = 0
    for name, tensor in head.items():
        if name != "__metadata__":
            count = 1
            for size in tensor["shape"]:
                count *= size
            total += count
    return total


def alphas(task, system):
    lines = header("alpha", *task.rewards, "KL")
    curve, kl = task.curve(system), task.sampled(system, "kl")
    for i in task.by_alpha(system):
        lines.append(row(f"{task.alphas(system)[i]:g}", *(f"{x:.2f}" for x in curve[i]), f"{kl[i]:.2f}"))
    return "\n".join(lines) + f"\n\nRank correlation of the KL with alpha: {task.kl_follows_alpha(system):.2f}.\n"


def card(checkpoint, task, system, logs):
    config, clp = (json.loads((checkpoint / name).read_text()) for name in ("config.json", "clp.json"))
    cell = task.seeds(system)[0]
    settings = cell["settings"]
    conditioned = elements(checkpoint, f"conditioned/{task.rewards[0]}.safetensors")
    return CARD.format(
        name=clp["name"], layers=config["num_layers"], decoder_layers=config["num_decoder_layers"], d_model=config["d_model"],
        heads=config["num_heads"], d_kv=config["d_kv"], d_ff=config["d_ff"], vocab=config["vocab_size"],
        parameters=(elements(checkpoint, "shared.safetensors") + conditioned) / 1e6, conditioned=conditioned / 1e6,
        alpha_min=clp["mixing"]["alpha_min"], judges=len(list((checkpoint / "reward_models").iterdir())),
        megabytes=sum(file.stat().st_size for file in checkpoint.rglob("*") if file.is_file()) / 1e6,
        presets=", ".join(f"`{name}` ({', '.join(f'{x:g}' for x in preset['w'])})" for name, preset in clp["presets"].items()),
        steps=settings["steps"], batch=settings["batch"], input_tokens=settings["max_input_tokens"],
        new_tokens=settings["max_new_tokens"], rate=settings["learning_rate"], minutes=cell["training_minutes"],
        accuracies=accuracies(logs), count=task.count(), weightings=weightings_table(task, system, 2),
        steering=", ".join(f"{name} {x:.2f}" for name, x in zip(task.rewards, task.steering(system))),
        differ=task.differ(system), alphas=alphas(task, system), samples=samples(task, system))


def main():
    arguments = parse_arguments()
    task, system = cells.Task(arguments.cell.parent), arguments.cell.name.split("-seed")[0]
    (arguments.checkpoint / "MODEL_CARD.md").write_text(card(arguments.checkpoint, task, system, arguments.judge_log))


if __name__ == "__main__":
    main()
