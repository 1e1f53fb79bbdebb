#!/usr/bin/env python3
"""Has bash complete the command lines of our programs with the scripts they print.

completion_test.py TRIMTAB TRIMTABD GATEWAY TRAINER
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

PROGRAMS = {}  # Name -> path.

# Sources the script on the standard input, then completes argv: its last word.
COMPLETE = r"""
source /dev/stdin
function=$(complete -p "$1" | sed 's/.*-F \([^ ]*\) .*/\1/')
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
"$function"
printf '%s\n' "${COMPREPLY[@]}"
"""


def output(*argv):
    return subprocess.run([PROGRAMS[argv[0]], *argv[1:]], check=True, stdout=subprocess.PIPE, text=True).stdout


class CompletionTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scripts = {name: output(name, "--completion", "bash") for name in PROGRAMS}

    def complete(self, line, folder="."):
        """What bash offers for the last word of `line`, whose = and : stand alone as bash has them."""
        words = [part for word in line.split(" ") for part in re.findall(r"[=:]|[^=:]+", word) or [""]]
        if words[-1] in ("=", ":"):
            words.append("")
        ran = subprocess.run(["bash", "--norc", "-c", COMPLETE, "bash", *words], check=False, cwd=folder, text=True,
                             input=self.scripts[words[0]], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        return sorted(word for word in ran.stdout.split("\n") if word)

    def check_offers_what_help_lists(self, *command):
        text = output(*command, "--help")
        options = re.findall(r"^  (?:-h,)?(--[a-z0-9-]+)", text, re.MULTILINE)
        below = re.findall(r"^  ([a-z-]+)  ", "".join(text.split("\nSubcommands:\n")[1:]), re.MULTILINE)
        self.assertTrue(options)
        self.assertLessEqual({*options}, {*self.complete(" ".join([*command, "-"]))}, command)
        if below:
            self.assertLessEqual({*below}, {*self.complete(" ".join([*command, ""]))}, command)
        for name in below:
            self.check_offers_what_help_lists(*command, name)

    def test_offers_every_command_and_option_that_help_lists(self):
        for name in {*PROGRAMS} - {"trimtab-trainer"}:
            self.check_offers_what_help_lists(name)
        self.check_offers_what_help_lists("trimtab-trainer", "corpus")  # Not each: it takes half a second to start.

    def test_narrows_to_what_was_typed(self):
        self.assertEqual(self.complete("trimtab summ"), ["summarize"])
        self.assertEqual(self.complete("trimtab summarize --arti"), ["--article"])
        self.assertEqual(self.complete("trimtab-trainer corpus d"), ["debian"])
        self.assertEqual(self.complete("trimtabd --tls-c"), ["--tls-certificate", "--tls-client-ca"])
        self.assertEqual(self.complete("trimtabd --no-r"), ["--no-reflection"])
        self.assertEqual(self.complete("trimtab summarize --nothing-of-the-kind"), [])

    def test_offers_the_choices_of_an_option(self):
        self.assertEqual(self.complete("trimtab import soup --variant "), ["attn", "full", "logit"])
        self.assertEqual(self.complete("trimtabd --precision=i"), ["int8"])
        self.assertEqual(self.complete("trimtab-trainer control p"), ["pause"])

    def test_finds_the_command_behind_options_and_their_values(self):
        self.assertEqual(self.complete("trimtab summarize --server host:50051 --preset info --prec"), ["--precision"])
        self.assertEqual(self.complete("trimtab summarize --server=host:50051,other:50051 --json --prec"), ["--precision"])
        self.assertEqual(self.complete("trimtab explore --alpha 0.3 --div"), ["--divisions"])

    def test_offers_files_and_folders_where_they_are_asked_for(self):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "model one").mkdir()
            (pathlib.Path(folder) / "model.txt").touch()
            both, only = ["model one", "model.txt"], ["model one"]
            self.assertEqual(self.complete("trimtab summarize --article mod", folder), both)
            self.assertEqual(self.complete("trimtab-gateway --tls-ca=mod", folder), both)
            self.assertEqual(self.complete("trimtab-trainer train mod", folder), both)
            for line in ("trimtabd --model ", "trimtabd --model=", "trimtab inspect mod", "trimtab import hf some mod",
                         "trimtab import soup --reward brief=mod", "trimtab publish --server host:1 "):
                self.assertEqual(self.complete(line, folder), only, line)
            self.assertEqual(self.complete("trimtab import hf some other mod", folder), [])
            self.assertEqual(self.complete("trimtab summarize --seed ", folder), [])


if __name__ == "__main__":
    PROGRAMS = {pathlib.Path(path).name: path for path in sys.argv[1:]}
    unittest.main(argv=sys.argv[:1])
