#!/usr/bin/env python3
"""The dashboard and the rules against a real server under load, a real training and a real Prometheus. Usage: monitoring_test.py BUILD"""

import contextlib
import math
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "deploy" / "dashboards"))
import live  # noqa: E402  (needs the path)
import panels  # noqa: E402

RULES_TEST = ROOT / "tests" / "deploy" / "rules_test.yaml"
METRIC = re.compile(r"\b(?:trimtab|process)_[a-z_]+\b")


def rules():
    """Every rule of the file."""
    groups = yaml.safe_load(live.RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def exported_name(name, types):
    """The metric that a name of a query belongs to: histograms are asked for by part."""
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    return base if types.get(base) == "histogram" else name


class LiveTest(unittest.TestCase):
    """A deployment that has seen everything callers do, and a training."""

    @classmethod
    def setUpClass(cls):
        folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.start = time.time()
        cls.deployment = cls.enterClassContext(contextlib.closing(live.Deployment(sys.argv[1], folder, "200ms", "5s")))
        live.await_true(lambda: cls.deployment.prometheus.get("query", query="trimtab_build_info")["result"], "a first scrape")
        cls.deployment.send((1.0, 0.5, 0.0, 0.5))
        cls.deployment.send((0.25, 0.25), "--execution-path", "dense")  # Or a busy machine may serve all without the cache.
        cls.deployment.change(1)
        cls.deployment.train(steps=3)
        cls.deployment.pause_training()
        cls.expositions = []
        for address in (cls.deployment.metrics, cls.deployment.training):
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as reply:
                cls.expositions.append(reply.read().decode())

    def has_data(self, expression):
        """Whether a query gave a number at some time since the start."""
        series = self.deployment.prometheus.series(expression, self.start, time.time(), 0.5)
        return any(math.isfinite(value) for _, points in series for _, value in points)

    def test_every_query_of_every_panel_gets_data(self):
        missing = {(panel["title"], legend): expression
                   for panel in panels.load() for legend, expression in panel["queries"].items()}
        self.assertGreater(len(missing), 50)

        def all_there():
            for key in [key for key, expression in missing.items() if self.has_data(expression)]:
                del missing[key]
            return not missing

        with contextlib.suppress(TimeoutError):
            live.await_true(all_there, "data")
        self.assertEqual(missing, {})

    def test_every_metric_that_a_panel_or_rule_names_is_exported(self):
        types = dict(line.split()[2:4] for line in "".join(self.expositions).splitlines() if line.startswith("# TYPE "))
        expressions = [expression for panel in panels.load() for expression in panel["queries"].values()]
        expressions += [rule["expr"] for rule in rules()]
        named = {exported_name(name, types) for expression in expressions for name in METRIC.findall(expression)}
        self.assertGreater(len(named), 35)
        self.assertEqual(named - set(types), set())

    def test_prometheus_evaluates_every_rule_and_a_server_that_works_raises_no_alarm(self):
        def evaluated():
            groups = self.deployment.prometheus.get("rules")["groups"]
            return {rule["name"]: rule for group in groups for rule in group["rules"]}

        live.await_true(lambda: all(rule["health"] != "unknown" for rule in evaluated().values()), "an evaluation")
        self.assertEqual(len(evaluated()), len(rules()))
        for name, rule in evaluated().items():
            self.assertEqual(rule["health"], "ok", f"{name}: {rule.get('lastError')}")
            self.assertIn(rule.get("state", "inactive"), ("inactive", "pending"), name)

    def test_promtool_finds_nothing_to_say_of_the_metrics(self):
        for exposition in self.expositions:
            lint = subprocess.run(["promtool", "check", "metrics"], input=exposition, capture_output=True, text=True)
            self.assertEqual((lint.returncode, lint.stdout + lint.stderr), (0, ""))


class FilesTest(unittest.TestCase):
    def test_the_dashboard_is_what_its_source_says(self):
        subprocess.run([sys.executable, "-B", ROOT / "deploy" / "dashboards" / "dashboard.py", "--check"], check=True)

    def test_every_alert_is_shown_to_fire(self):
        tests = yaml.safe_load(RULES_TEST.read_text(encoding="utf-8"))["tests"]
        fired = {one["alertname"] for test in tests for one in test.get("alert_rule_test", []) if one["exp_alerts"]}
        self.assertEqual(fired, {rule["alert"] for rule in rules() if "alert" in rule})


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
