"""Reading the upstream: one request, one stream of text, one typed ending.

`stream.py` asks and reads; `transport.py` reaches the upstream, through a proxy by `tunnel.py`, `connection.py` is one
request and its answer, `secrets.py` what no message may repeat, `body.py` the bytes, `opening.py` what kind of body
they are, `sse.py` the events in them, `chunks.py` what an event says, `text.py` what of that can be stored, `answer.py`
the answer so far and its judgement, `ending.py` what is known when it is over, `clocks.py` the three clocks,
`failures.py` and `retry_after.py` what a refusal means, `errors.py` the tree of what can go wrong.
"""

from worker.upstream.clocks import Clocks
from worker.upstream.ending import Ending, Usage
from worker.upstream.stream import Upstream

__all__ = ["Clocks", "Ending", "Upstream", "Usage"]
