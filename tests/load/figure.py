"""One line of the table."""

import dataclasses


@dataclasses.dataclass
class Figure:
    scenario: str
    name: str
    value: str
    asked: str
    met: bool


def at_most(scenario, name, value, limit, unit="", digits=1):
    return Figure(scenario, name, f"{value:.{digits}f}{unit}", f"<= {limit:.{digits}f}{unit}", value <= limit)


def at_least(scenario, name, value, limit, unit="", digits=1):
    return Figure(scenario, name, f"{value:.{digits}f}{unit}", f">= {limit:.{digits}f}{unit}", value >= limit)


def told(scenario, name, value, digits=1):
    """Of which nothing is asked."""
    return Figure(scenario, name, f"{value:.{digits}f}", "-", True)


def only(scenario, name, codes, allowed):
    text = ", ".join(f"{code} {count}" for code, count in sorted(codes.items()))
    return Figure(scenario, name, text, " or ".join(allowed) + " only", set(codes) <= set(allowed))
