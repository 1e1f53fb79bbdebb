"""What a bench written in Python found, in the form of bench/report.h."""

import json


class Report:
    """Prints a line of text per row, and writes it as a line of JSON to `file` (a path, or None)."""

    def __init__(self, file):
        self.file = open(file, "w") if file else None

    def add(self, name, value, unit, baseline, ratio, **details):
        words = "  ".join(f"{key} {json.dumps(detail)}" for key, detail in details.items())
        print(f"{name:44}{ratio:7.3f} x {baseline:34}{value:.5g} {unit}  {words}", flush=True)
        if self.file:
            row = {"name": name, "value": value, "unit": unit, "baseline": baseline, "ratio": ratio, "details": details}
            self.file.write(json.dumps(row) + "\n")
            self.file.flush()
