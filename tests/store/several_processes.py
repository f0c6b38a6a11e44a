"""Several processes at once, for tests of who waits for whom: forks of one that has imported what they need."""

from multiprocessing import get_context
from multiprocessing.context import ForkServerContext

_WHOSE = [f"tests.store.test_{name}" for name in ("database", "load", "migrations")]


def forking() -> ForkServerContext:
    """How to make them. Each would take seconds to import the same by itself."""
    context = get_context("forkserver")
    context.set_forkserver_preload(_WHOSE)
    return context
