"""The pieces of text that a simulated model writes."""

import itertools
from collections.abc import Iterable, Iterator

from longhand.simulator.orders import ChatRequest, Orders
from longhand.simulator.prose import split, write_deltas


def deltas_of(request: ChatRequest, orders: Orders, seed: str) -> Iterable[str]:
    """The text to send, cut into deltas: as ordered, none beside tool calls, or an article for the prompt."""
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
