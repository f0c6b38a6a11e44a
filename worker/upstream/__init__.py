"""Reading the upstream: one request, one stream of text, one typed ending.

`stream.py` asks and reads; `transport.py` reaches the upstream, through a proxy by `tunnel.py`, `connection.py` is one
request and its answer, `secrets.py` what no message may repeat. `request.py` is the request as this upstream takes it.

Of the answer: `body.py` the bytes, `opening.py` what kind of body it is, `sse.py` the events in it, `chunks.py` and
`lenient.py` what an event says, `text_output.py`, `repeats.py`, `think_tags.py` and `text.py` what of that is text to
store, `beside.py` what stands beside it, `usage.py` its cost, `end_signs.py` whether it is whole, `answer.py` all of
this together, `ending.py` what is known when it is over, `clocks.py` the three clocks.

When it fails: `failures.py`, `retry_after.py` and `rate_limits.py` what a refusal means, `errors/` the tree of what can
go wrong. `habits.py` is what this upstream has shown before, and `dialects/` what is known of all of them, as data.
"""

from worker.upstream.clocks import Clocks
from worker.upstream.ending import Ending, ReportedUsage
from worker.upstream.stream import Upstream

__all__ = ["Clocks", "Ending", "ReportedUsage", "Upstream"]
