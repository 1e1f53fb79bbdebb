"""One article at many weightings, as a table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

from trimtab.errors import TrimtabError
from trimtab.replies import Summary, Weighting


@dataclass(frozen=True)
class Point:
    index: int
    weighting: Weighting
    asked: tuple[int, ...]  # Positions in what was asked; several where their coefficients are equal.
    summary: Summary
    scores: Mapping[str, float]  # By name, larger is better; ROUGE's only with a reference.
    on_front: bool  # No other point is as good in every objective and better in one.


class Exploration(Sequence[Point]):
    """The points of one `explore` call, in the order in which they were asked for. Prints as a table."""

    def __init__(self, points: Sequence[Point], objectives: Sequence[str]) -> None:
        self._points = tuple(points)
        self.objectives = tuple(objectives)  # What the front was taken over; empty where there is none.

    @overload
    def __getitem__(self, index: int) -> Point: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Point]: ...
    def __getitem__(self, index: int | slice) -> Point | Sequence[Point]:
        return self._points[index]

    def __len__(self) -> int:
        return len(self._points)

    def pareto(self, *objectives: str) -> list[Point]:
        """The points that no other dominates, over the server's objectives or over the named scores."""
        if not objectives:
            return [point for point in self if point.on_front]
        values = {point.index: tuple(self._score(point, name) for name in objectives) for point in self}
        return [point for point in self if not any(dominates(other, values[point.index]) for other in values.values())]

    def rows(self) -> list[dict[str, Any]]:
        """One flat record a point, as pandas.DataFrame takes them."""
        return [
            {
                "alpha": point.weighting.alpha,
                **{f"w{i}": weight for i, weight in enumerate(point.weighting.weights)},
                **point.scores,
                "on_front": point.on_front,
                "summary": point.summary.text,
            }
            for point in self
        ]

    def plot(self, x: str = "", y: str = "", ax: Any = None) -> Any:
        """Draws two scores against each other, the front joined by a line. Returns the axes of matplotlib."""
        if not x and not y and len(self.objectives) < 2:
            raise ValueError(
                "there are no two objectives to draw: explore with a reference, or name the scores x and y"
            )
        x, y = x or self.objectives[0], y or self.objectives[1]
        if ax is None:
            from matplotlib import pyplot

            _, ax = pyplot.subplots()
        front = sorted(self.pareto(x, y), key=lambda point: point.scores[x])
        ax.scatter([self._score(point, x) for point in self], [self._score(point, y) for point in self], label="points")
        ax.plot([point.scores[x] for point in front], [point.scores[y] for point in front], "o-", label="front")
        ax.set(xlabel=x, ylabel=y)
        ax.legend()
        return ax

    def __str__(self) -> str:
        rows = self.rows()
        if not rows:
            return "no points"
        names = list(rows[0])
        cells = [names] + [[_cell(row.get(name, "")) for name in names] for row in rows]
        widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in cells)

    @staticmethod
    def _score(point: Point, name: str) -> float:
        if name in point.scores:
            return point.scores[name]
        raise ValueError(f"{name!r} is no score of this exploration; it has: {', '.join(point.scores) or 'none'}")


def dominates(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether `a` is at least as good everywhere and better somewhere.

    >>> dominates((2, 1), (1, 1)), dominates((1, 1), (1, 1)), dominates((2, 0), (1, 1))
    (True, False, False)
    """
    return tuple(a) != tuple(b) and all(left >= right for left, right in zip(a, b))


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "*" if value else ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


class Collector:
    """Makes an exploration of the events of one call."""

    def __init__(self) -> None:
        self._weightings: list[Weighting] = []
        self._points: dict[int, Point] = {}
        self._front: Any = None

    def add(self, event: Any) -> Point | None:
        """The point, if the event is one; whether it is on the front is not known yet."""
        kind = event.WhichOneof("event")
        if kind == "accepted":
            self._weightings = [Weighting.of(sent) for sent in event.accepted.weightings]
        elif kind == "front":
            self._front = event.front
        elif kind == "point":
            sent = event.point
            point = Point(
                index=sent.index,
                weighting=self._weightings[sent.index],
                asked=tuple(sent.asked),
                summary=Summary.of(sent.result),
                scores=dict(sent.scores),
                on_front=False,
            )
            self._points[sent.index] = point
            return point
        return None

    def exploration(self) -> Exploration:
        if self._front is None:
            raise TrimtabError("the stream ended without a front: is this a trimtabd?", code="INTERNAL")
        front = set(self._front.points)
        return Exploration(list(self._in_order(front)), self._front.objectives)

    def _in_order(self, front: set[int]) -> Iterator[Point]:
        for index in sorted(self._points):
            yield replace(self._points[index], on_front=index in front)
