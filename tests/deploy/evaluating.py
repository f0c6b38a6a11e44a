"""Evaluates the queries of a dashboard over two scrapes, by the rules of PromQL that they use.

Each function keeps what decides whether a panel shows anything: which samples a selector finds, which labels are left
after an aggregation, whether two sides of a division have the same labels, whether a histogram has buckets and counts.
"""

import re
from collections.abc import Callable
from operator import eq, gt, mul, truediv
from typing import Any

Labels = tuple[tuple[str, str], ...]
Vector = dict[Labels, float]
Scrape = dict[str, Vector]
"""The samples of a scrape by their names."""

_TOKEN = re.compile(r'\s*([a-zA-Z_]\w*|\d+(?:\.\d+)?(?:e\d+)?|"[^"]*"|==|[*/>(){}\[\],=])([smhd](?=\]))?')
_BINARY: dict[str, Callable[[float, float], float]] = {"*": mul, "/": truediv, ">": gt, "==": eq}
_AGGREGATES: dict[str, Callable[[list[float]], float]] = {"sum": sum, "max": max, "min": min}


def evaluate(query: str, before: Scrape, now: Scrape) -> Vector:
    """What a panel with this query shows after the second scrape; empty: nothing."""
    evaluator = _Evaluator(query, before, now)
    found = evaluator.compare()
    if evaluator.left:
        raise ValueError(f"not understood from {evaluator.left[:3]} on: {query}")
    return found if isinstance(found, dict) else {(): found}


class _Evaluator:
    def __init__(self, query: str, before: Scrape, now: Scrape) -> None:
        self.left = [match[1] for match in _TOKEN.finditer(query)]
        self._before = before
        self._now = now

    def compare(self) -> Any:
        found = self._product()
        while self._next() in (">", "=="):
            operator = self._take()
            other = self._product()
            # A comparison keeps the samples of which it is true.
            found = {labels: value for labels, value in found.items() if _BINARY[operator](value, other)}
        return found

    def _product(self) -> Any:
        found = self._one()
        while self._next() in ("*", "/"):
            operator = _BINARY[self._take()]
            other = self._one()
            if not isinstance(other, dict):
                found = {labels: operator(value, other) for labels, value in found.items()}
            else:
                shared = found.keys() & other.keys()
                found = {labels: operator(found[labels], other[labels]) for labels in shared if other[labels]}
        return found

    def _one(self) -> Any:
        word = self._take()
        if word[0].isdigit():
            return float(word)
        if word in _AGGREGATES:
            return self._aggregate(_AGGREGATES[word])
        if word in ("rate", "increase"):
            return self._in_parentheses(self._increase)
        if word == "histogram_quantile":
            return self._in_parentheses(self._quantile)
        return self._select(self._now, word, self._conditions())

    def _aggregate(self, together: Callable[[list[float]], float]) -> Vector:
        kept: list[str] = []
        if self._next() == "by":
            self._take()
            self._expect("(")
            while (name := self._take()) != ")":
                kept += [name] if name != "," else []
        groups: dict[Labels, list[float]] = {}
        for labels, value in self._in_parentheses(self.compare).items():
            own = dict(labels)
            # A label that no sample has is a mistake in the query: the panel would show one line without a name.
            assert set(kept) <= own.keys() | {"instance"}, f"no label {set(kept) - own.keys()}"
            groups.setdefault(tuple((name, own.get(name, "")) for name in kept), []).append(value)
        return {labels: together(values) for labels, values in groups.items()}

    def _increase(self) -> Vector:
        name = self._take()
        conditions = self._conditions()
        self._expect("[")
        self._take()
        self._expect("]")
        before, now = (self._select(scrape, name, conditions) for scrape in (self._before, self._now))
        return {labels: value - before[labels] for labels, value in now.items() if labels in before}

    def _quantile(self) -> Vector:
        rank = float(self._take())
        self._expect(",")
        buckets: dict[Labels, list[tuple[float, float]]] = {}
        for labels, value in self.compare().items():
            rest = tuple(pair for pair in labels if pair[0] != "le")
            buckets.setdefault(rest, []).append((float(dict(labels)["le"]), value))
        found: Vector = {}
        for labels, of_one in buckets.items():
            of_one.sort()
            assert of_one[-1][0] == float("inf"), "a histogram has a bucket without an end"
            if of_one[-1][1] > 0:  # else it is not a number, and the panel shows nothing
                found[labels] = next(end for end, count in of_one if count >= rank * of_one[-1][1])
        return found

    def _conditions(self) -> dict[str, str]:
        conditions = {}
        if self._next() == "{":
            self._take()
            while self._next() != "}":
                name = self._take()
                self._expect("=")
                conditions[name] = self._take().strip('"')
                if self._next() == ",":
                    self._take()
            self._take()
        return conditions

    def _select(self, scrape: Scrape, name: str, conditions: dict[str, str]) -> Vector:
        wanted = conditions.items()
        return {labels: value for labels, value in scrape.get(name, {}).items() if wanted <= dict(labels).items()}

    def _in_parentheses(self, inner: Callable[[], Any]) -> Any:
        self._expect("(")
        found = inner()
        self._expect(")")
        return found

    def _next(self) -> str:
        return self.left[0] if self.left else ""

    def _take(self) -> str:
        return self.left.pop(0)

    def _expect(self, token: str) -> None:
        found = self._take()
        if found != token:
            raise ValueError(f"{token!r} was expected, not {found!r}")
