#!/usr/bin/env python3
"""Lists functions over 80 lines and files over 500 among the sources that git knows. Usage: house.py ROOT

C++ is read by its formatting, which ./dev lint holds: a body opens with a brace at the end of a line and closes with
one at the indentation of the line that the function starts on.
"""

import ast
import pathlib
import re
import subprocess
import sys

MAX_FUNCTION = 80
MAX_FILE = 500
CPP = {".cc", ".cu", ".h"}
OTHER = {".py", ".mjs", ".js", ".css", ".html", ".proto", ".md", ".cmake", ".sh", ".yaml"}
DATA = ("bench/results/", "deploy/chart/", "tests/model/testdata/", "tests/trainer/testdata/")  # Not written by hand, or not to be split.
NO_FUNCTION = re.compile(r"^\s*(?:namespace|class|struct|enum|union|extern|template|#|//|public:|private:|protected:)")
OPENING = re.compile(r"^(\s{0,4})[\w~:<>&*\[\]].*$")


def is_signature(line):
    return "(" in line and not NO_FUNCTION.match(line)


def cpp_functions(lines):
    """(first line, length) of each function body's definition, from its signature to its closing brace."""
    found, start = [], {}
    for number, line in enumerate(lines, 1):
        indent = len(line) - len(line.lstrip())
        if line.strip() and not line.lstrip().startswith((")", "}", ":", "//", "#")) and OPENING.match(line):
            start.setdefault(indent, number)
        if line.rstrip().endswith(" {}"):  # A constructor whose body is empty ends here.
            indent = max((at for at in start if at <= indent and is_signature(lines[start[at] - 1])), default=indent)
            if indent in start:
                found.append((start[indent], number - start[indent] + 1))
        elif line.startswith("}", indent) and indent in start:
            text = "".join(lines[start[indent] - 1:number])
            if "(" in text.split("{")[0] and not NO_FUNCTION.match(text):
                found.append((start[indent], number - start[indent] + 1))
        if line.rstrip().endswith((";", "}", ":")) or NO_FUNCTION.match(line):
            start.pop(indent, None)
            if line.startswith("}", indent) or NO_FUNCTION.match(line):
                start = {at: first for at, first in start.items() if at < indent}
    return found


def python_functions(text):
    return [(node.lineno, node.end_lineno - node.lineno + 1) for node in ast.walk(ast.parse(text))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def faults_of(name, text):
    suffix, lines = pathlib.PurePath(name).suffix, text.splitlines(keepends=True)
    if len(lines) > MAX_FILE:
        yield f"{name}: {len(lines)} lines; a file has at most {MAX_FILE}"
    functions = cpp_functions(lines) if suffix in CPP else python_functions(text) if suffix == ".py" else []
    for first, length in functions:
        if length > MAX_FUNCTION:
            yield f"{name}:{first}: {length} lines; a function has at most {MAX_FUNCTION}"


def sources(root):
    listed = subprocess.run(["git", "-C", root, "ls-files", "--cached", "--others", "--exclude-standard"], check=True,
                            stdout=subprocess.PIPE, text=True).stdout.splitlines()
    for name in listed:
        path = pathlib.Path(root, name)
        if path.suffix in CPP | OTHER and not name.startswith(DATA) and path.is_file():
            yield name, path.read_text(encoding="utf-8")


def main():
    root = sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__)
    faults = [fault for name, text in sources(root) for fault in faults_of(name, text)]
    print("\n".join(faults) if faults else "house: every function and file is of moderate size")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
