"""The panels of a dashboard, as Grafana reads them, asked of a Prometheus."""

import json
import pathlib
import re
import urllib.parse
import urllib.request

DASHBOARD = pathlib.Path(__file__).resolve().parent.parent / "chart" / "files" / "trimtab-dashboard.json"


def load():
    """[{title, unit, signed, queries: {legend: expression}}] of the dashboard; rows have no queries."""
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return [{"title": panel["title"], "unit": panel.get("fieldConfig", {}).get("defaults", {}).get("unit"),
             "signed": "min" not in panel.get("fieldConfig", {}).get("defaults", {}),
             "queries": {target["legendFormat"]: target["expr"] for target in panel.get("targets", [])}}
            for panel in panels]


class Prometheus:
    """What the HTTP interface at `url` answers."""

    def __init__(self, url, rate="1m"):
        self.url = url
        self.rate = rate

    def get(self, path, **parameters):
        """The `data` of one answer."""
        query = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(query, timeout=10) as reply:
            return json.load(reply)["data"]

    def concrete(self, expression):
        """A dashboard's expression with every server and trainer chosen."""
        return re.sub(r"\$(job|instance|trainer)\b", ".*", expression.replace("$__rate_interval", self.rate))

    def series(self, expression, start, end, step):
        """[({label: value}, [(time, value)])] of a dashboard's expression."""
        data = self.get("query_range", query=self.concrete(expression), start=start, end=end, step=step)
        return [(one["metric"], [(float(t), float(v)) for t, v in one["values"]]) for one in data["result"]]
