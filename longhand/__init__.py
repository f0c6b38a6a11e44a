"""What you use: the `longhand` command, the HTTP client, and the local stack that `longhand up` runs.

What is where:

- `client/` speaks HTTP. `client.py` and `async_client.py` are thin loops over what does no I/O: `calls.py` has requests
  as values, `following.py` the state of a watch, `events.py` decodes what a watcher is sent, `objects.py` types what
  the API shows.
- `cli/` is the command. `command.py` lists the commands and makes one line of a mistake; each `*_command*.py` has the
  commands of one kind. `stack_commands.py` starts something, most others talk to a running Longhand.
- `terminal/` is what it shows, in tables (`tables.py`, `lists.py`) and while work goes on (`progress.py`); `words/` has
  its sentences.
- `stack/` is the whole stack on one machine: its processes, the folder that it has to itself, and their end.
- `demo/` shows Longhand at work, once and from nothing.
- `simulator/` is an upstream for trials, benchmarks and fault tests.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from longhand.client.batch_objects import Batch, BatchUsage, Counts
from longhand.client.errors import (
    AccessError,
    BrokenTextError,
    ConflictError,
    InputError,
    InvalidRequestError,
    LonghandError,
    NoAnswerError,
    NotFoundError,
    RefusedError,
    StrangeAnswerError,
    UnavailableError,
)
from longhand.client.events import (
    BatchDone,
    BatchStatus,
    Delta,
    Done,
    Event,
    OnHold,
    Progress,
    Reasoning,
    Reset,
    Status,
)
from longhand.client.objects import Attempt, Fault, Hold, Job, Result, Usage

if TYPE_CHECKING:
    from longhand.client.async_client import AsyncClient
    from longhand.client.client import Client

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
    "Hold",
    "InputError",
    "InvalidRequestError",
    "Job",
    "LonghandError",
    "NoAnswerError",
    "NotFoundError",
    "OnHold",
    "Progress",
    "Reasoning",
    "RefusedError",
    "Reset",
    "Result",
    "Status",
    "StrangeAnswerError",
    "UnavailableError",
    "Usage",
]


def __getattr__(name: str) -> Any:
    # Loading httpx takes a tenth of a second, and the stack's processes, which import this package too, need no client.
    if name in ("Client", "AsyncClient"):
        return getattr(import_module(f"longhand.client.{'client' if name == 'Client' else 'async_client'}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
