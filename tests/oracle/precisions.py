"""What bfloat16 and int8 cost in quality: ROUGE-LSum of their summaries beside float32's, on real texts.

    ./dev oracle precisions [--count N]

Summarises N (1,000) package descriptions with debian-pilot in each precision, at several weightings, and scores them
against the synopses the packages carry. Fails when a mean differs from float32's by more than 0.2 points of 100.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

from rouge_score import rouge_scorer

import run

LARGEST_DIFFERENCE = 0.2
WEIGHTINGS = [("1,0", 0.1), ("0.5,0.5", 0.1), ("0,1", 0.1), ("0.3,0.7", 0.4)]


def synopses():
    """{package: its synopsis}"""
    found = {}
    for stanza in run.raw_stanzas():
        lines = stanza.split("\n")
        package = next((line[9:] for line in lines if line.startswith("Package: ")), None)
        synopsis = next((line[16:] for line in lines if line.startswith("Description-en: ")), None)
        if package and synopsis:
            found[package] = synopsis
    return found


def summaries(articles, precision, weights, alpha):
    command = [run.TRIMTAB, "summarize", "--offline", "--model", run.CHECKPOINT, "--input", articles, "--json",
               "--weights", weights, "--alpha", str(alpha), "--precision", precision]
    lines = subprocess.run(command, capture_output=True, check=True, text=True).stdout.splitlines()
    return {record["id"]: record["summary"] for record in map(json.loads, lines)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    texts = run.descriptions(parser.parse_args().count)
    wanted = synopses()
    scorer = rouge_scorer.RougeScorer(["rougeLsum"], use_stemmer=True)
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        articles = pathlib.Path(folder) / "articles.jsonl"
        articles.write_text("".join(json.dumps({"id": i, "document": d}) + "\n" for i, d in texts))
        for weights, alpha in WEIGHTINGS:
            scores, plain = {}, None
            for precision in ("float32", "bfloat16", "int8"):
                written = summaries(articles, precision, weights, alpha)
                plain = plain or written
                scores[precision] = 100 * statistics.mean(
                    scorer.score(wanted[i], written[i])["rougeLsum"].fmeasure for i, _ in texts)
                same = sum(written[i] == plain[i] for i, _ in texts)
                difference = scores[precision] - scores["float32"]
                worst = max(worst, abs(difference))
                print(f"alpha {alpha} w {weights:8} {precision:9} ROUGE-LSum {scores[precision]:6.2f} "
                      f"({difference:+.2f}), {same} of {len(texts)} summaries as in float32", flush=True)
    sys.exit(0 if worst <= LARGEST_DIFFERENCE else f"a mean differs by {worst:.2f} points; expected at most "
             f"{LARGEST_DIFFERENCE}")


if __name__ == "__main__":
    main()
