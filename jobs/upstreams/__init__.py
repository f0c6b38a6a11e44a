"""The upstreams: which endpoints there are, and how each is used.

`spec.py` is one upstream as a value. `read.py` makes these from a file, `table.py`, `values.py` and `wire.py` check its
tables key by key, `lines.py` finds the line of a mistake, `mistakes.py` collects them. `environment.py` makes the one
upstream of an installation without a file. `source.py` reads the file again when it changes. How each is
doing, `jobs/dispatch/upstream_states.py` reads from the rows.
"""

from jobs.upstreams.mistakes import Mistake
from jobs.upstreams.price import Price
from jobs.upstreams.source import UpstreamSource
from jobs.upstreams.spec import DEFAULT_UPSTREAM, UNDECLARED, Upstreams, UpstreamSpec

__all__ = [
    "DEFAULT_UPSTREAM",
    "UNDECLARED",
    "Mistake",
    "Price",
    "UpstreamSource",
    "UpstreamSpec",
    "Upstreams",
]
