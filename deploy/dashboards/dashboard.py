#!/usr/bin/env python3
"""Writes Grafana's JSON of the dashboard that trimtab.yaml describes.

    dashboard.py                  writes ../chart/files/trimtab-dashboard.json
    dashboard.py --check          says whether that file is what would be written
"""

import json
import pathlib
import sys

import yaml

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE / "trimtab.yaml"
TARGET = HERE.parent / "chart" / "files" / "trimtab-dashboard.json"

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS, WIDTH, HEIGHT = 4, 6, 7  # Grafana's page is 24 wide.
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def queries_of(panel):
    """{legend: expression} of a panel of the source."""
    if "quantiles" not in panel:
        return panel["queries"]
    buckets = f"sum by (le) (rate({panel['quantiles']}_bucket{{$of}}[$rate]))"
    return {name: f"histogram_quantile({q}, {buckets})" for name, q in QUANTILES.items()}


def expanded(expression):
    """Grafana's own variables in place of our short ones."""
    expression = expression.replace("$of", 'job=~"$job",instance=~"$instance"').replace("$run", 'instance=~"$trainer"')
    return expression.replace("$rate]", "$__rate_interval]")


def panel_json(panel, number, x, y):
    """One time series panel."""
    return {
        "id": number,
        "type": "timeseries",
        "title": panel["title"],
        "description": panel.get("help", ""),
        "datasource": DATASOURCE,
        "gridPos": {"x": x, "y": y, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel["unit"], **({} if panel.get("signed") else {"min": 0})},
                        "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [{"refId": chr(ord("A") + i), "datasource": DATASOURCE, "expr": expanded(expression),
                     "legendFormat": legend} for i, (legend, expression) in enumerate(queries_of(panel).items())],
    }


def all_panels(rows):
    """The panels of all rows, each row under its title."""
    panels, y = [], 0
    for row in rows:
        panels.append({"id": len(panels) + 1, "type": "row", "title": row["title"], "collapsed": False, "panels": [],
                       "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}})
        y += 1
        for i, panel in enumerate(row["panels"]):
            x, below = i % COLUMNS * WIDTH, i // COLUMNS * HEIGHT
            panels.append(panel_json(panel, len(panels) + 1, x, y + below))
        y += -(-len(row["panels"]) // COLUMNS) * HEIGHT
    return panels


def choice(name, metric, label):
    """A variable of the page: all values of a label, any number of them."""
    return {"name": name, "type": "query", "datasource": DATASOURCE, "query": f"label_values({metric}, {label})",
            "refresh": 2, "multi": True, "includeAll": True, "allValue": ".*", "sort": 1,
            "current": {"text": ["All"], "value": ["$__all"]}}


def dashboard(source):
    """The whole dashboard."""
    return {
        "uid": source["uid"],
        "title": source["title"],
        "tags": ["trimtab"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [
            {"name": "datasource", "type": "datasource", "query": "prometheus", "current": {}},
            choice("job", "trimtab_build_info", "job"),
            choice("instance", 'trimtab_build_info{job=~"$job"}', "instance"),
            choice("trainer", "trimtab_trainer_step", "instance"),
        ]},
        "panels": all_panels(source["rows"]),
    }


def main():
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    text = json.dumps(dashboard(yaml.safe_load(SOURCE.read_text(encoding="utf-8"))), indent=2) + "\n"
    if sys.argv[1:] == []:
        TARGET.write_text(text, encoding="utf-8")
    elif TARGET.read_text(encoding="utf-8") != text:
        sys.exit(f"{TARGET} is not what {SOURCE.name} says: run deploy/dashboards/dashboard.py")


if __name__ == "__main__":
    main()
