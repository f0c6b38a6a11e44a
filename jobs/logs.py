"""Logs: one line for each event, with the job's id and attempt where there is one. Never a request, a text or a key."""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

_CONTEXT = ("job_id", "attempt", "batch_id")
_FIELDS = ("action", *_CONTEXT, "status", "upstream", "model", "error_code")
"""What a line in JSON may have beside its words. `action`: the transition that it is about."""


class _Words(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        context: Mapping[str, object] = vars(record)
        return line + "".join(f" {name}={context[name]}" for name in _CONTEXT if context.get(name) is not None)


class _Json(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        context: Mapping[str, object] = vars(record)
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "process": self._process,
            "pid": record.process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: context[name] for name in _FIELDS if context.get(name) is not None}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def start_logging(process: str, form: Literal["text", "json"]) -> None:
    """Log to stderr from here on; `process` is the name that each line has."""
    output = logging.StreamHandler(sys.stderr)
    words = _Words(f"%(asctime)s {process}[%(process)d] %(levelname)s %(name)s: %(message)s")
    output.setFormatter(_Json(process) if form == "json" else words)
    root = logging.getLogger()
    root.handlers[:] = [output]
    root.setLevel(logging.INFO)
    # These log each request, httpx with its URL, which may hold a key.
    for name in ("httpx", "httpcore", "celery", "kombu", "amqp"):
        logging.getLogger(name).setLevel(logging.WARNING)
