"""The face of Longhand: the `longhand` command, the HTTP client, and the local stack that `longhand up` runs.

What is where:

- `command.py` is the command: its list of commands and how a mistake becomes one line. `stack_commands.py` has those
  that start something (`up`, `api`, `worker`, `migrate`, `simulate`, `demo`), `job_commands.py` those that talk to a
  running Longhand (`submit`, `watch`, `jobs`, `show`, `results`, `cancel`, `retry`); `key_commands.py` has `keys`.
- `client.py` and `async_client.py` speak HTTP: thin loops over what does no I/O. `calls.py` has requests as values,
  `following.py` the state of a watch, `events.py` decodes what a watcher is sent, `connection.py` connects, `items.py`
  makes bodies of prompts, `objects.py` types what the API shows, `errors.py` has what can go wrong.
- `submission.py` reads what is to be submitted (`template.py` makes prompts of CSV rows), `results.py` writes what came
  out. `progress.py` shows work in progress, a batch by `batch_state.py` (what is known) and `batch_view.py` (how it
  is drawn); `tables.py` shows lists, `cells.py` knows what fits into a terminal.
- `stack/` is the whole stack on one machine: its processes, the folder that it has to itself, and their end.
- `demo/` shows Longhand at work, once and from nothing.
- `simulator/` is an upstream for trials, benchmarks and fault tests.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from longhand.errors import (
    AccessError,
    BrokenTextError,
    ConflictError,
    InputError,
    InvalidRequestError,
    LonghandError,
    NoAnswerError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from longhand.events import BatchDone, BatchStatus, Delta, Done, Event, Progress, Reset, Status
from longhand.objects import Attempt, Batch, BatchUsage, Counts, Fault, Job, Result, Usage

if TYPE_CHECKING:
    from longhand.async_client import AsyncClient
    from longhand.client import Client

__all__ = [
    "AccessError",
    "AsyncClient",
    "Attempt",
    "Batch",
    "BatchDone",
    "BatchStatus",
    "BatchUsage",
    "BrokenTextError",
    "Client",
    "ConflictError",
    "Counts",
    "Delta",
    "Done",
    "Event",
    "Fault",
    "InputError",
    "InvalidRequestError",
    "Job",
    "LonghandError",
    "NoAnswerError",
    "NotFoundError",
    "Progress",
    "RefusedError",
    "Reset",
    "Result",
    "Status",
    "UnavailableError",
    "Usage",
]


def __getattr__(name: str) -> Any:
    # Loading httpx takes a tenth of a second, and the stack's processes, which import this package too, need no client.
    if name in ("Client", "AsyncClient"):
        return getattr(import_module("longhand.client" if name == "Client" else "longhand.async_client"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
