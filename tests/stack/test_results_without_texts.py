"""`longhand results` where there is nothing to write: why, and neither a folder nor an exit code of success."""

import json
from pathlib import Path

import pytest

from longhand.cli.results import write_results
from longhand.client.client import Client
from longhand.client.errors import LonghandError
from tests.stack.running_up import environ_of, longhand
from tests.upstream.scripted_upstream import ScriptedUpstream, head


def test_many_jobs_without_a_text_are_a_line_for_each_reason_and_leave_no_folder(tmp_path: Path) -> None:
    answer = json.dumps({"error": {"message": "No model `x`."}})
    error = {"code": "upstream_rejected", "message": f"HTTP 404: {answer}"}
    items = [{"id": f"job_{n}", "custom_id": f"j{n}", "status": "failed", "error": error} for n in range(12)]
    items.append({"id": "job_12", "custom_id": "late", "status": "queued"})
    script = [head(), b"\n".join(json.dumps(item).encode() for item in items)]
    command = ["results", "batch_1", "-o", str(tmp_path / "new" / "out")]
    with ScriptedUpstream(script, script) as server:
        environ = environ_of(tmp_path, {"LONGHAND_URL": server.url})
        shown = longhand(*command, environ=environ)
        as_json = longhand(*command, "--json", environ=environ)
    why = "failed (upstream_rejected: the upstream rejected the request: No model `x`.)"
    assert shown.stderr.splitlines() == [
        f"12 jobs (0001-j0, 0002-j1, 0003-j2, ...): no text: {why}",
        "0013-late: no text: queued",
        "nothing was written: no job has a text",
    ]
    assert (shown.returncode, as_json.returncode) == (1, 1)
    assert (
        json.loads(as_json.stdout)["remarks"][1] == f"0002-j1: no text: failed (upstream_rejected: {error['message']})"
    )
    assert not (tmp_path / "new").exists()


def test_a_folder_that_was_there_stays_although_nothing_is_written_into_it(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for folder in (tmp_path / "mine", tmp_path / "new"):
        with (
            ScriptedUpstream([head(404), b"{}"]) as server,
            Client(server.url) as client,
            pytest.raises(LonghandError),
        ):
            write_results(client, "batch_1", folder, "md")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
