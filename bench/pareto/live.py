#!/usr/bin/env python3
"""What a running server replies while a trainer publishes into it: one line of JSON for each version and weighting.

Asks for the summaries of the first articles of a corpus whenever the server holds a new version, scores them with
rouge_score (PyPI) and by grounding (model/rewards/grounding.h), and ends when no new version came for --patience.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import time


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--client", required=True, help="the trimtab program")
    parser.add_argument("--server", required=True, help="HOST:PORT")
    parser.add_argument("--corpus", required=True, help="JSONL of held-out articles")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--weights", nargs="+", default=["1,0", "0.5,0.5", "0,1"])
    parser.add_argument("--max-new-tokens", type=int, default=32)
    parser.add_argument("--patience", type=float, default=300, help="seconds without a new version after which to end")
    return parser.parse_args()


def grounding(article, summary, words):
    """In percent, as model/rewards/grounding.h has it; `words` splits and stems."""
    source, written = words(article), words(summary)
    if not written:
        return 0.0
    pairs = list(zip(written, written[1:]))
    known, known_pairs = set(source), set(zip(source, source[1:]))
    of_words = sum(word in known for word in written) / len(written)
    of_pairs = sum(pair in known_pairs for pair in pairs) / len(pairs) if pairs else 0.0
    return 50 * (of_words + of_pairs)


class Watch:
    """A server, and what is asked of it."""

    def __init__(self, arguments, rouge, words):
        self.arguments, self.rouge, self.words = arguments, rouge, words
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
        said = self.client("summarize", "--json", "--max-new-tokens", str(self.arguments.max_new_tokens), *weights,
                           text=example["document"])
        return [json.loads(line)["summary"] for line in said.splitlines()]

    def ask(self):
        """The mean scores of each weighting, and its first summaries."""
        replies = [self.replies(example) for example in self.examples]
        for i, weights in enumerate(self.arguments.weights):
            summaries = [reply[i] for reply in replies]
            pairs = list(zip(self.examples, summaries))
            yield {"weights": [float(w) for w in weights.split(",")],
                   "rouge": round(statistics.mean(self.rouge(e["summary"], s) for e, s in pairs), 3),
                   "grounding": round(statistics.mean(grounding(e["document"], s, self.words) for e, s in pairs), 3),
                   "words": round(statistics.mean(len(s.split()) for s in summaries), 2),
                   "first": summaries[:3]}

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


def main():
    from rouge_score import rouge_scorer, tokenizers
    scorer = rouge_scorer.RougeScorer(["rougeLsum"], use_stemmer=True)
    words = tokenizers.DefaultTokenizer(use_stemmer=True).tokenize
    Watch(parse_arguments(), lambda reference, summary: 100 * scorer.score(reference, summary)["rougeLsum"].fmeasure,
          words).run()


if __name__ == "__main__":
    sys.exit(main())
