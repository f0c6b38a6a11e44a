"""The pieces of text that a simulated model writes."""

import itertools
from collections.abc import Callable, Iterable, Iterator

from longhand.simulator.orders import ChatRequest, Orders
from longhand.simulator.prose import split, write_deltas

_LOOPED_DELTAS = 60
"""How long a piece a model that loops writes again and again."""


def deltas_of(
    request: ChatRequest, orders: Orders, seed: str, fired: Callable[[str], None] = lambda _: None
) -> Iterable[str]:
    """The text to send, cut into deltas: as ordered, none beside tool calls, or an article for the prompt; if ordered,
    one that repeats itself without end from a place on.
    """
    deltas = _whole_text(request, orders, seed)
    return deltas if orders.loop_after is None else _loop(deltas, orders.loop_after, fired)


def _loop(deltas: Iterable[str], after: int, fired: Callable[[str], None]) -> Iterator[str]:
    begun = list(itertools.islice(deltas, after))
    yield from begun
    fired("loop_after")
    yield from itertools.cycle(begun[-_LOOPED_DELTAS:] or ["again "])


def _whole_text(request: ChatRequest, orders: Orders, seed: str) -> Iterable[str]:
    if orders.deltas is not None:
        return orders.deltas
    if orders.text is not None:
        return split(orders.text)
    if orders.length is not None:
        return itertools.islice(_write_on(request.prompt, seed), orders.length)
    if request.called(orders):
        return ()
    return write_deltas(request.prompt, seed)


def _write_on(prompt: str, seed: str) -> Iterator[str]:
    """One article after another, without end."""
    for number in itertools.count():
        yield from write_deltas(prompt, f"{seed}-{number}")


def thought_of(number: int) -> str:
    """One delta of reasoning."""
    return f"Thought {number} – so far, so good. "
