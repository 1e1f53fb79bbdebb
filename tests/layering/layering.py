#!/usr/bin/env python3
"""Reads every #include line and fails on one that turns an arrow of the layering back.

    kernels <- model <- server core <- server rim        proto <- server rim, client        model <- client
    client, model <- trainer                             common <- server rim, client, trainer
    nothing includes tests or bench

The linker cannot see this, as system headers are on everybody's include path. Usage: layering.py ROOT
"""

import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
SUFFIXES = {".h", ".cc", ".cpp", ".cu", ".cuh", ".inc"}

# Path prefix -> layer; the longest prefix wins. Generated headers have paths of their own: trimtab/v1 for the contract,
# google/rpc for error details, none for the tokenizer format.
LAYERS = {
    "common/": "common",
    "kernels/": "kernels",
    "model/": "model",
    "sentencepiece_model.pb.h": "model",
    "server/": "server core",
    "server/rim/": "server rim",
    "client/": "client",
    "trainer/": "trainer",
    "proto/": "proto",
    "trimtab/v1/": "proto",
    "google/rpc/": "proto",
    "tests/": "tests",
    "bench/": "bench",
}

# Layer -> the layers it may include besides itself. Tests and bench may include anything.
ALLOWED = {
    "common": set(),
    "kernels": set(),
    "model": {"kernels"},
    "server core": {"model", "kernels"},
    "server rim": {"server core", "model", "kernels", "proto", "common"},
    "client": {"model", "proto", "common"},
    "trainer": {"client", "model", "kernels", "proto", "common"},
    "proto": set(),
    "tests": set(LAYERS.values()),
    "bench": set(LAYERS.values()) - {"tests"},
}

# Layer -> prefixes of other people's headers that would give its ignorance away.
GRPC = ("grpc/", "grpcpp/", "grpc++/")
FORBIDDEN_LIBRARIES = {
    "common": GRPC + ("google/", "nlohmann/"),
    "kernels": GRPC + ("google/", "prometheus/", "sentencepiece", "nlohmann/"),
    "model": GRPC + ("prometheus/",),
    "server core": GRPC + ("google/protobuf/",),
    "client": ("prometheus/",),
}


def layer_of(path):
    """The layer of a path from the root, or None for what is not ours."""
    prefixes = [prefix for prefix in LAYERS if path.startswith(prefix)]
    return LAYERS[max(prefixes, key=len)] if prefixes else None


def complaint(layer, bracket, target):
    """What is wrong with a file of `layer` including `target`, or None."""
    target_layer = layer_of(target)
    if target.startswith(".") or "/../" in target:
        return "is relative: include by full path from the root"
    if target_layer is None:
        if bracket == '"' and "/" not in target:
            return "names no folder: include by full path from the root, and libraries' headers of one word with <>"
        if target.startswith(FORBIDDEN_LIBRARIES.get(layer, ())):
            return f"is a library that {layer} must not know"
        return None
    if target_layer != layer and target_layer not in ALLOWED[layer]:
        return f"turns an arrow back: {layer} must not include {target_layer}"
    return None


def source_files(root):
    """Every source file below the root but for build trees and hidden folders, as paths from the root."""
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        top = relative.parts[0]
        if path.suffix in SUFFIXES and top != "build" and not top.startswith(".") and path.is_file():
            yield relative.as_posix()


def violations(root):
    """One message for each line at fault; also when there is nothing to read."""
    messages, files = [], 0
    for name in source_files(root):
        files += 1
        layer = layer_of(name)
        if layer is None:
            messages.append(f"{name}: no layer is defined for this folder: add it to tests/layering/layering.py")
            continue
        for number, line in enumerate((root / name).read_text(encoding="utf-8").splitlines(), start=1):
            match = INCLUDE.match(line)
            problem = match and complaint(layer, match.group(1), match.group(2))
            if problem:
                messages.append(f"{name}:{number}: {match.group(2)} {problem}")
    return messages if files else [f"{root}: no source file found"]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    messages = violations(pathlib.Path(sys.argv[1]))
    sys.exit("\n".join(messages) if messages else 0)


if __name__ == "__main__":
    main()
