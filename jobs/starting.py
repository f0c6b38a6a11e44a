"""What makes a process start sooner."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_UNUSED = ("httpx._main", "opentelemetry.sdk.metrics")
"""What httpx and redis import if it is there, and nobody here uses: the command `httpx`, and metrics of redis."""


@contextmanager
def loading() -> Iterator[None]:
    """Look for no garbage while modules are imported, nor ever in what they are: to look takes a fifth of the time that
    importing takes, and finds nothing. And leave out what is imported for nothing, which takes a tenth.
    """
    gc.disable()
    hidden = [name for name in _UNUSED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: there is no such module
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
        gc.freeze()
        gc.enable()
