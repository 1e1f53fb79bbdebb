"""The blocks of a Markdown file that are meant to be run, and what comments say about them. Pure.

A fenced block of sh or python is run. A comment of its own right above it may say otherwise:

    <!-- not run: WHY -->      it is not, because it needs hours, a cluster, a GPU or a network
    <!-- long: WHY -->         it takes more than seconds: only ./dev docs runs it
    <!-- first: CODE -->       what has to be there, in the block's language, for readers to take for granted

Comments may span lines, and several may stand above one block.
"""

import dataclasses
import re

FENCE = re.compile(r"^```(\w*)\s*$")
COMMENT = re.compile(r"<!--\s*(not run|long|first):\s*(.*?)\s*-->", re.DOTALL)
COMMANDS = re.compile(r"^ {4}(\./dev|trimtab[\w-]* +[a-z-]|pip|curl|helm|kubectl|docker|apt-get|build/\w+/\S+|import \w|from \w+ import)")


@dataclasses.dataclass
class Block:
    """One block: `line` is that of its first line of code."""

    language: str
    code: str
    line: int
    not_run: str = ""
    long: str = ""
    first: str = ""


def blocks(text):
    """The sh and python blocks of `text`, in order. ValueError for commands that are indented instead of fenced."""
    found, language, code, above, comment = [], None, [], "", ""
    for number, line in enumerate(text.splitlines(), 1):
        fence = FENCE.match(line)
        if language is not None and fence:
            if language in ("sh", "python"):
                said = {key.replace(" ", "_"): value for key, value in COMMENT.findall(above)}
                found.append(Block(language, "\n".join(code) + "\n", number - len(code), **said))
            language, above = None, ""
        elif language is not None:
            code.append(line)
        elif fence:
            language, code = fence[1], []
        elif comment or line.startswith("<!--"):
            comment += line + "\n"
            if "-->" in line:
                above, comment = above + comment, ""
        elif COMMANDS.match(line):
            raise ValueError(f"line {number} has commands that no test runs: fence them as sh or python")
        elif line.strip():
            above = ""
    return found


def commands(code):
    """The commands of sh `code`, one a line: continued lines joined, comments and empty lines dropped."""
    lines = re.sub(r"\\\n\s*", "", code).splitlines()
    stripped = [re.sub(r"(^|\s)#\s.*$", "", line).strip() for line in lines]
    joined, open_quote = [], False
    for line in stripped:
        if open_quote:
            joined[-1] += "\n" + line
        elif line:
            joined.append(line)
        open_quote ^= line.count("'") % 2 == 1
    return joined
