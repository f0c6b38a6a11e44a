"""The code of the documents about the Python client and about webhooks, run as it stands there."""

import asyncio
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from longhand.simulator import Pace, serve_in_thread
from tests.api.watching import wait_until
from tests.conftest import free_port
from tests.stack.running_up import environ_of, running_up
from tests.worker.receiving import LOOPBACK, SECRET, delivery_to
from worker.webhooks.sender import Sender

_DOCS = Path(__file__).parents[2] / "docs"


def blocks_of(name: str) -> list[str]:
    """The Python blocks of a document."""
    found = re.findall(r"^```python\n(.*?)^```$", (_DOCS / name).read_text(), flags=re.MULTILINE | re.DOTALL)
    assert found
    return found


@pytest.mark.races
def test_every_block_of_the_client_document_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        serve_in_thread(Pace(deltas_per_second=300)) as upstream,
        running_up(environ_of(tmp_path, {"LONGHAND_UPSTREAM_URL": upstream.url}), "--port", "0") as up,
    ):
        monkeypatch.setenv("LONGHAND_URL", up.url)
        names: dict[str, Any] = {}
        for block in blocks_of("client.md"):
            exec(compile(block, "client.md", "exec"), names)  # noqa: S102  # the document is what is tested
        assert up.end() == 0
    said = capsys.readouterr().out
    assert "the batch is completed\n" in said
    assert f"completed {len(names['text'].encode())} {sha256(names['text'].encode()).hexdigest()}\n" in said
    assert len(names["texts"]) == 3
    assert "the job has ended as completed and cannot be cancelled\n" in said
    assert "there is nothing to run again\n" in said


def test_the_documented_receiver_of_webhooks_takes_what_is_signed_and_nothing_else() -> None:
    [block] = blocks_of("webhooks.md")
    port = str(free_port())
    environ = {**os.environ, "WEBHOOK_SECRET": SECRET, "PORT": port}
    command = [sys.executable, "-c", block]
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as running:
        try:
            sender = Sender(LOOPBACK)
            event = {"type": "batch.completed", "data": {"id": "batch_1"}}

            def send(secret: str) -> int | None:
                delivery = delivery_to(f"http://127.0.0.1:{port}/", json.dumps(event), (secret,))
                return asyncio.run(sender.send(delivery, datetime.now(UTC))).status

            wait_until(lambda: send(SECRET) == 204)
            assert send("whsec_b3RoZXI=") is None
            assert running.stdout is not None
            assert running.stdout.readline() == "batch.completed batch_1\n"
        finally:
            running.kill()
