"""`longhand webhooks` over a whole stack: made, tested, told of a batch, listed, rotated, paused, removed."""

import json
import re
from pathlib import Path

from standardwebhooks import Webhook

from longhand.simulator import Pace, serve_in_thread
from tests.stack.running_up import environ_of, longhand, running_up
from tests.worker.receiving import receiving


def test_an_endpoint_lives_by_commands(tmp_path: Path) -> None:
    with (
        serve_in_thread(Pace(deltas_per_second=300)) as upstream,
        receiving() as receiver,
        running_up(
            environ := environ_of(
                tmp_path, {"LONGHAND_UPSTREAM_URL": upstream.url, "LONGHAND_WEBHOOK_ALLOW": "127.0.0.0/8"}
            ),
            *("--port", "0"),
        ) as up,
    ):
        environ = {**environ, "LONGHAND_URL": up.url}

        def run(*arguments: str, code: int = 0) -> str:
            done = longhand(*arguments, environ=environ)
            assert done.returncode == code, done.stderr
            return done.stdout + done.stderr

        assert "no webhooks yet" in run("webhooks", "list")
        made = longhand("webhooks", "add", receiver.url, environ=environ)
        assert re.fullmatch(r"whsec_\S+\n", made.stdout)
        [webhook] = re.findall(r"wh_\w+", made.stderr)
        assert "taken, HTTP 204" in run("webhooks", "test", webhook)
        old, new = made.stdout.strip(), longhand("webhooks", "rotate", webhook, environ=environ).stdout.strip()
        (tmp_path / "prompts.txt").write_text("tea\nrain\n")
        run("submit", str(tmp_path / "prompts.txt"), "--model", "m")
        request = receiver.wait_for(2)[1]
        for secret in (old, new):
            event = Webhook(secret).verify(request.body, request.headers)
            assert event["type"] == "batch.completed"
        assert event["data"]["request_counts"] == {"total": 2, "completed": 2, "failed": 0}
        receiver.answers = [b"HTTP/1.1 500 No\r\n\r\n"]
        assert "not taken: HTTP 500" in run("webhooks", "test", webhook, code=1)
        assert "1 tries failed" in run("webhooks", "list")
        assert "1 sent again" in run("webhooks", "replay", webhook, event["id"])
        again = receiver.wait_for(5)  # the test is sent again, too
        assert event["id"] in {json.loads(one.body)["id"] for one in again[2:]}
        run("webhooks", "pause", webhook)
        [shown] = json.loads(run("webhooks", "list", "--json"))
        assert (shown["id"], shown["status"]) == (webhook, "paused")
        run("webhooks", "resume", webhook)
        run("webhooks", "remove", webhook)
        assert "no webhooks yet" in run("webhooks", "list")
        assert "begins with wh_" in run("webhooks", "remove", "batch_1", code=2)
