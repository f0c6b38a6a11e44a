"""Logs: one line for each event, with the job's id and attempt where there is one. Never a request, a text or a key."""

import logging
import sys
from collections.abc import Mapping

_CONTEXT = ("job_id", "attempt", "batch_id")


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        context: Mapping[str, object] = vars(record)
        return line + "".join(f" {name}={context[name]}" for name in _CONTEXT if name in context)


def start_logging(process: str, level: int = logging.INFO) -> None:
    """Log to stderr from here on; `process` is the name that each line begins with."""
    output = logging.StreamHandler(sys.stderr)
    output.setFormatter(_Formatter(f"%(asctime)s {process}[%(process)d] %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [output]
    root.setLevel(level)
    # These log each request, httpx with its URL, which may hold a key.
    for name in ("httpx", "httpcore", "celery", "kombu", "amqp"):
        logging.getLogger(name).setLevel(logging.WARNING)
