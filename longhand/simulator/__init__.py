"""The simulator: a streaming OpenAI-compatible upstream for trials, benchmarks and fault tests.

`server.py` is the server, `running.py` runs it, `listener.py` is its port, `connection.py` its HTTP, `orders.py` what a
request asks for, `script.py` the chunks and faults that follow from it, `stream.py` the pace, `stats.py` the record of
what was done. `prose.py` writes the text, out of the sentences of `prose_stock.py`.

What a provider allows is a `Provider` (`provider.py`). `gate.py` decides by it which requests are
served, with `windows.py` for the limits over time and `answers.py` for the words of a refusal. `slots.py` is the queue
of a server that refuses nothing, `serving.py` gives back what a request has taken, and `control.py` changes all of it
at run time.
"""

from longhand.simulator.provider import Limits, Provider, Upstream
from longhand.simulator.running import ServedSimulator, run_simulators, serve_in_thread
from longhand.simulator.server import Simulator
from longhand.simulator.stream import Pace

__all__ = [
    "Limits",
    "Pace",
    "Provider",
    "ServedSimulator",
    "Simulator",
    "Upstream",
    "run_simulators",
    "serve_in_thread",
]
