"""Reading the upstream: one request, one stream of text, one typed ending.

- Request: `stream.py` sends it and reads the answer, with the HTTP client in `http/`. `request.py` builds it as this
  upstream takes it, `asking.py` keeps what was changed of it. `secrets.py` has what no message may repeat.
- Answer: `opening.py` finds out what kind of body it is, `sse.py` cuts it into events (`sse_objects.py` finds those
  without a frame), `chunks.py` and `lenient.py` read an event, `lean.py` one that holds very many values.
  `text_output.py`, `repeats.py`, `think_tags.py` and `text.py` decide what is text to store.
  `reasoning.py`, `tool_calls.py` (each of them a `tool_call.py`), `logprobs.py` and `beside.py` collect what comes with
  it, `usage.py` token counts.
- End: `clocks.py` runs the three clocks, `end_signs.py` decides whether the answer is whole, `answer.py` combines all
  of this, `ending.py` is the result.
- Failure: `failures.py`, `empty_answers.py`, `retry_after.py` and `rate_limits.py` turn it into an error of `errors/`.
  `own_words.py` tells what the upstream says from what it repeats of the request.
- Knowledge: `habits.py` is what this upstream has shown before, `dialects/` what is known of all of them, as data.
"""

from worker.upstream.clocks import Clocks
from worker.upstream.ending import Ending, ReportedUsage
from worker.upstream.stream import Upstream

__all__ = ["Clocks", "Ending", "ReportedUsage", "Upstream"]
