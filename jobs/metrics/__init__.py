"""Metrics of a process: counted in plain integers while it works, and made into Prometheus's text when it is asked.

Nothing here is called for a delta. `counts.py` is what both the workers and the API count with, `page.py` writes the
text. What is counted is in `worker/counts.py` and `api/http/envelope.py`.
"""
