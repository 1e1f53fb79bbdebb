#!/usr/bin/env python3
"""Checks that every test that FAULTS.md names is there. Usage: faults.py FAULTS.md"""

import pathlib
import re
import sys

FILE = re.compile(r"`([\w/]+_test\.(?:cc|py))` ([\w, ]+)")
SCENARIO = re.compile(r"\b(L\d+)\b")


def missing_of(page, tests):
    """What `page` names and the folder `tests` lacks."""
    for name, listed in FILE.findall(page):
        path = tests / name
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        for test in listed.replace(" ", "").split(","):
            if not re.search(rf"(?:^TEST\w*\(\w+, {test}\)|^ *def {test}\()", text, re.M):
                yield f"{name} has no test {test}"
    scenarios = (tests / "load/run.py").read_text(encoding="utf-8")
    for name in sorted(set(SCENARIO.findall(page))):
        if f'"{name}"' not in scenarios:
            yield f"./dev load has no scenario {name}"
    for line in page.splitlines():
        row = line.startswith("| ") and not line.startswith(("| ---", "| fault "))
        if row and not FILE.search(line) and not SCENARIO.search(line) and "| S |" not in line:
            yield f"a fault without a test: {line}"


def main():
    page = pathlib.Path(sys.argv[1]) if len(sys.argv) == 2 else sys.exit(__doc__)
    missing = list(missing_of(page.read_text(encoding="utf-8"), page.parent))
    print("\n".join(missing) if missing else "faults: every test that is named is there")
    sys.exit(bool(missing))


if __name__ == "__main__":
    main()
