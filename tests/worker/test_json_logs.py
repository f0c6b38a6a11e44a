"""`LONGHAND_LOG_FORMAT=json`: one object a line, one line for each transition, with ids and without text."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from longhand import Client
from longhand.simulator import Pace, serve_in_thread
from tests.stack.running_up import environ_of, running_up

PROMPT = "Write about the canary in the prompt."
TEXT = ["A canary ", "in the ", "text."]


def transitions(log: Path) -> list[dict[str, Any]]:
    """The lines about transitions; every line must be an object, but for what Celery prints on stdout when it ends."""
    written = [line for line in log.read_text().splitlines() if line and not line.startswith("worker: ")]
    lines = [json.loads(line) for line in written]
    assert all({"time", "level", "process", "pid", "logger", "message"} <= set(line) for line in lines)
    return [line for line in lines if "action" in line]


def test_each_transition_is_one_line_with_ids_and_without_text(tmp_path: Path) -> None:
    with serve_in_thread(Pace(deltas_per_second=0, first_delta_seconds=0)) as upstream:
        settings = {"LONGHAND_UPSTREAM_URL": upstream.url, "LONGHAND_LOG_FORMAT": "json"}
        with running_up(environ_of(tmp_path, settings), "--port", "0") as up, Client(up.url) as client:
            message = {"role": "user", "content": PROMPT}
            good = {"model": "m", "messages": [message], "simulate": {"deltas": TEXT}}
            bad = {**good, "simulate": {"deltas": TEXT, "error_after": 2}, "max_attempts": 1}
            batch = httpx.post(f"{up.url}/v1/batches", json={"requests": [{"body": good}, {"body": bad}]}).json()
            for _ in client.watch(batch["id"]):
                pass
            second, first = (job["id"] for job in client.jobs(batch_id=batch["id"]))  # the newest first
            assert up.end() == 0
    logs = tmp_path / ".longhand" / "logs"
    if not logs.exists():
        [logs] = tmp_path.rglob("logs")
    worker, api = transitions(logs / "worker-1.log"), transitions(logs / "api.log")
    assert [(line["action"], line["batch_id"]) for line in api] == [("submit", batch["id"])]
    for job_id, end, status in ((first, "finish", "completed"), (second, "fail", "failed")):
        own = [line for line in worker if line.get("job_id") == job_id]
        assert [(line["action"], line["attempt"]) for line in own] == [("claim", 1), (end, 1)]
        assert all(line["upstream"] == "default" and line["batch_id"] == batch["id"] for line in own)
        assert own[-1]["status"] == status
    assert [line["error_code"] for line in worker if "error_code" in line] == ["upstream_error_in_stream"]
    assert [line["batch_id"] for line in worker if line["action"] == "close batch"] == [batch["id"]]
    for log in logs.glob("[aw]*.log"):
        assert "canary" not in log.read_text()


def test_an_exception_is_part_of_its_line() -> None:
    code = (
        "import logging; from jobs.logs import start_logging; start_logging('worker', 'json')\n"
        "try: 1 / 0\nexcept ZeroDivisionError: logging.getLogger('x').exception('failed', extra={'job_id': 'job_1'})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    line = json.loads(run.stderr)
    assert (line["message"], line["job_id"], line["level"]) == ("failed", "job_1", "ERROR")
    assert "ZeroDivisionError" in line["exception"]
