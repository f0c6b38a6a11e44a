"""A check on real servers: a batch on each, at default settings, every stored text compared with what was sent.

`python -m tests.real_servers` runs it (see README.md here). `servers.py` starts a server with a tiny random model,
which `make_gguf.py` and `make_transformers.py` make in the server's own Python; `recording_proxy.py` keeps what it
sends, `wire.py` reads that without Longhand's code, `check.py` compares. `interrupting_server.py` is
llama-cpp-python's server as a script, for the test suite.
"""
