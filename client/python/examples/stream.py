"""A summary as it is written: stream.py SERVER ARTICLE [ALPHA]"""

import pathlib
import sys

import trimtab

server, article = sys.argv[1], pathlib.Path(sys.argv[2]).read_text(encoding="utf-8")
alpha = float(sys.argv[3]) if len(sys.argv) > 3 else 0.3
with trimtab.Client(server) as client, client.stream(article, alpha=alpha, no_repeat_ngram_size=2) as stream:
    for piece in stream:
        print(piece, end="", flush=True)
    print(f"\n[first token after {1000 * stream.summary.timings.first_token:.0f} ms, {stream.summary.cache}]")
