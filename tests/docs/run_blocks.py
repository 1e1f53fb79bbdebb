"""Runs the blocks of sh and python in the README and the guides, as a reader would, in a temporary copy.

run_blocks.py --build DIR [--long] [FILE...]     (FILE relative to the repository; default: every README.md in it)
"""

import argparse
import pathlib
import subprocess
import sys
import time

import markdown
import workspace


def documents():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "README.md", "*/README.md"],
                            cwd=workspace.ROOT, check=True, capture_output=True, text=True)
    return sorted(listed.stdout.split())


def why_left_out(block, long):
    return f"not run: {block.not_run}" if block.not_run else f"long: {block.long}" if block.long and not long else ""


def run_document(name, build, long):
    """Counts of blocks run and left out; the first that fails ends it."""
    text = (workspace.ROOT / name).read_text(encoding="utf-8")
    blocks = markdown.blocks(text)
    wanted = [block for block in blocks if not why_left_out(block, long)]
    place = workspace.Workspace(build) if wanted else None
    try:
        if place and "my-t5" in text:
            place.add_plain_t5s()
        for block in blocks:
            reason = why_left_out(block, long)
            begun = time.monotonic()
            if not reason:
                place.run(block)
            print(f"{name}:{block.line} ({block.language}) {reason or f'{time.monotonic() - begun:.1f} s'}", flush=True)
    finally:
        if place:
            place.close()
    return len(wanted), len(blocks) - len(wanted)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True, help="a build folder with all programs")
    parser.add_argument("--long", action="store_true", help="also what takes more than seconds")
    parser.add_argument("files", nargs="*")
    asked = parser.parse_args()
    ran, left_out, failed = 0, 0, 0
    for name in asked.files or documents():
        try:
            done, skipped = run_document(name, asked.build.resolve(), asked.long)
            ran, left_out = ran + done, left_out + skipped
        except (AssertionError, ValueError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed += 1
    print(f"{ran} blocks run, {left_out} left out, {failed} documents with a fault")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
