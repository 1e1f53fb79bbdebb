"""One article at three weightings: summarize.py SERVER ARTICLE"""

import pathlib
import sys

import trimtab

server, article = sys.argv[1], pathlib.Path(sys.argv[2]).read_text(encoding="utf-8")
with trimtab.Client(server) as client:
    first, *_, last = (reward.name for reward in client.model_info().rewards)
    for share in (1.0, 0.5, 0.0):
        summary = client.summarize(article, weights={first: share, last: 1 - share}, no_repeat_ngram_size=2)
        print(f"{first} {share:.1f}  {last} {1 - share:.1f}  ({summary.cache}): {summary.text}")
