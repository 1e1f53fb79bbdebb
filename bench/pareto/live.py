#!/usr/bin/env python3
"""What a running server replies while a trainer publishes into it: one line of JSON for each version and weighting.

Asks for the summaries of the first articles of a corpus whenever the server holds a new version, has `trimtab-trainer
score` judge them, and ends when no new version came for --patience.
"""

import argparse
import json
import re
import statistics
import subprocess
import tempfile
import time


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--client", required=True, help="the trimtab program")
    parser.add_argument("--server", required=True, help="HOST:PORT")
    parser.add_argument("--trainer", required=True, help="the trimtab-trainer program")
    parser.add_argument("--judges", required=True, help="folder whose reward_models/ judge")
    parser.add_argument("--corpus", required=True, help="JSONL of held-out articles")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--weights", nargs="+", default=["1,0", "0.5,0.5", "0,1"])
    parser.add_argument("--max-new-tokens", type=int, default=32)
    parser.add_argument("--sampled", action="store_true", help="at temperature 1, which is what training improves")
    parser.add_argument("--patience", type=float, default=300, help="seconds without a new version after which to end")
    return parser.parse_args()


class Watch:
    """A server, and what is asked of it."""

    def __init__(self, arguments):
        self.arguments = arguments
        with open(arguments.corpus, encoding="utf-8") as lines:
            self.examples = [json.loads(line) for _, line in zip(range(arguments.count), lines)]

    def client(self, *command, text=None):
        return subprocess.run([self.arguments.client, *command, "--server", self.arguments.server], input=text,
                              check=True, text=True, stdout=subprocess.PIPE).stdout

    def version(self):
        """The digest of the version that is served."""
        served = [line for line in self.client("versions").splitlines() if line.startswith("*")]
        return re.search(r"[0-9a-f]{12,}", served[0]).group()

    def replies(self, example):
        """One per weighting."""
        weights = [part for w in self.arguments.weights for part in ("--weights", w)]
        sampled = ["--temperature", "1", "--seed", "1"] if self.arguments.sampled else []
        said = self.client("summarize", "--json", "--max-new-tokens", str(self.arguments.max_new_tokens), *sampled,
                           *weights, text=example["document"])
        return [json.loads(line)["summary"] for line in said.splitlines()]

    def scores(self, summaries):
        """The mean of each score over the articles."""
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as texts:
            for example, summary in zip(self.examples, summaries):
                texts.write(json.dumps({"document": example["document"], "summary": summary or ".",
                                        "reference": example["summary"]}) + "\n")
            texts.flush()
            said = subprocess.run([self.arguments.trainer, "score", "--texts", texts.name, "--judges",
                                   self.arguments.judges, "--threads", "1"], check=True, text=True, stdout=subprocess.PIPE)
        lines = [json.loads(line) for line in said.stdout.splitlines()]
        return {name: round(statistics.mean(line[name] for line in lines), 3) for name in lines[0]}

    def ask(self):
        """The mean scores of each weighting, and its first summaries."""
        replies = [self.replies(example) for example in self.examples]
        for i, weights in enumerate(self.arguments.weights):
            summaries = [reply[i] for reply in replies]
            yield {"weights": [float(w) for w in weights.split(",")], **self.scores(summaries), "first": summaries[:3]}

    def run(self):
        start = asked = time.monotonic()
        count, last = 0, None
        while time.monotonic() - asked < self.arguments.patience:
            now = self.version()
            if now == last:
                time.sleep(2)
                continue
            for line in self.ask():
                print(json.dumps({"version": count, "digest": now, "minutes": round((time.monotonic() - start) / 60, 2),
                                  **line}), flush=True)
            count, last, asked = count + 1, now, time.monotonic()


if __name__ == "__main__":
    Watch(parse_arguments()).run()
