"""All trade-offs of one article, scored against a reference: explore.py SERVER ARTICLE REFERENCE [PICTURE]

With PICTURE (front.png) the front is drawn into it, which wants matplotlib.
"""

import pathlib
import sys

import trimtab

server = sys.argv[1]
article, reference = (pathlib.Path(name).read_text(encoding="utf-8") for name in sys.argv[2:4])
with trimtab.Client(server) as client:
    found = client.explore(article, divisions=10, alpha_sweep=3, reference=reference, no_repeat_ngram_size=2)
print(found)
print("\nThe front:")
for point in found.pareto():
    print(f"  w {point.weighting.weights} alpha {point.weighting.alpha:.3g}: {point.summary.text}")
if len(sys.argv) > 4:
    found.plot().figure.savefig(sys.argv[4])
