#!/usr/bin/env python3
"""Of the sources on the command line, prints those that clang-tidy 14 can read, and says how many it cannot.

It cannot read libtorch's headers as C++20, nor std::source_location, which the emulation of CUDA uses.
"""

import functools
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#include ["<]([^">]+)[">]', re.MULTILINE)
UNREADABLE = re.compile(r"torch/|cuda_runtime\.h$|tests/cuda_emulation/")


@functools.lru_cache(maxsize=None)
def is_readable(path):
    """Whether nothing that is included from `path`, at whatever depth, is UNREADABLE."""
    file = pathlib.Path(path)
    if UNREADABLE.match(path):
        return False
    return not file.exists() or all(is_readable(name) for name in INCLUDE.findall(file.read_text(encoding="utf-8")))


def main():
    sources = sys.argv[1:]
    readable = [source for source in sources if is_readable(source)]
    if readable:
        print("\n".join(readable))
    if len(readable) < len(sources):
        print(f"{len(sources) - len(readable)} sources are not analysed: clang-tidy 14 cannot read libtorch or the emulation of CUDA",
              file=sys.stderr)


if __name__ == "__main__":
    main()
