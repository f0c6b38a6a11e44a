"""A check on real servers: a batch of jobs on each, at default settings, every stored text compared with what was sent.

`python -m tests.real_servers` runs it (see README.md here). `servers.py` starts a server with a tiny random model, which
`make_gguf.py` and `make_transformers.py` make in the server's own Python; `recording_proxy.py` keeps what it sends,
`wire.py` reads that without Longhand's code, `check.py` compares.
"""
