#!/usr/bin/env python3
"""The chart offers the options that the server has, and its README every value. Usage: chart_values_test.py TRIMTABD"""

import json
import pathlib
import re
import subprocess
import sys
import unittest

import yaml

CHART = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "chart"
# Flags that the templates give, from other values.
MANAGED = {"model", "listen", "metrics-listen", "state-dir", "tokens", "tls-certificate", "tls-key", "tls-client-ca"}


def trimtabd(*arguments):
    """What the server prints."""
    return subprocess.run([sys.argv[1], *arguments], check=True, capture_output=True, text=True).stdout


def options():
    """The schema of `config`."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    return schema["properties"]["config"]["properties"]


def leaves(values, prefix=""):
    """The dotted names of all values; maps that are empty, and `config`, count as one."""
    for name, value in values.items():
        if isinstance(value, dict) and value and name not in ("config", "resources", "dashboardLabels"):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name


class ChartValuesTest(unittest.TestCase):
    def test_the_schema_knows_every_option_of_the_server_that_the_chart_does_not_set_itself(self):
        printed = trimtabd("--model", "x", "--print-config")
        names = {line.split("=")[0] for line in printed.splitlines() if re.match(r"[a-z-]+=", line)}
        names |= set(re.findall(r"^  --(reward-range|prewarm) ", trimtabd("--help"), re.MULTILINE))
        self.assertGreater(len(names), 20)
        self.assertEqual(set(options()) | MANAGED, names, "add it to deploy/chart/values.schema.json, or to MANAGED")

    def test_the_schema_allows_the_words_that_the_server_takes(self):
        choices = dict(re.findall(r"'trimtabd --([a-z-]+)'\) REPLY='([a-z0-9]+ [a-z0-9 ]+)'", trimtabd("--completion", "bash")))
        self.assertIn("precision", choices)
        self.assertEqual({name: " ".join(option["enum"]) for name, option in options().items() if "enum" in option}, choices)

    def test_every_flag_of_the_templates_is_an_option(self):
        templates = "".join(path.read_text(encoding="utf-8") for path in CHART.glob("templates/_pod.tpl"))
        flags = set(re.findall(r"- --([a-z-]+)=", templates))
        self.assertEqual(flags, MANAGED | {"config"})
        variables = set(re.findall(r"\bTRIMTAB_[A-Z_]+", templates))
        self.assertLessEqual(variables, set(re.findall(r"\bTRIMTAB_[A-Z_]+", trimtabd("--help"))))

    def test_the_readme_lists_every_value_and_no_other(self):
        values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
        listed = re.findall(r"^\| `([A-Za-z.]+)` \|", (CHART / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
        self.assertEqual(sorted(listed), sorted(leaves(values)))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
