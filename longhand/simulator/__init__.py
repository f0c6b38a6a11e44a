"""The simulator: a streaming OpenAI-compatible upstream for trials, benchmarks and fault tests.

`server.py` is the server, `connection.py` its HTTP, `orders.py` what a request asks for, `script.py` the chunks and
faults that follow from it, `stream.py` the pace, `stats.py` the record of what was done. `prose.py` writes the text,
`prose_length.py` reads from a prompt how long it is to be, and `prose_stock.py` has the sentences that it is made of.
"""

from longhand.simulator.server import Pace, ServedSimulator, Simulator, run_simulator, serve_in_thread

__all__ = ["Pace", "ServedSimulator", "Simulator", "run_simulator", "serve_in_thread"]
