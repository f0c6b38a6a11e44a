"""A watch that breaks off in the middle: it is sent after the layers of its request have returned."""

import logging
from typing import Any

import httpx
import pytest

from api.server import ApiServer
from jobs.store.database import Database
from tests.api.batch_watching import submit_jobs
from tests.api.watching import PATIENCE_SECONDS, wait_until


@pytest.mark.parametrize("of", ["jobs", "batches"])
def test_a_watch_that_fails_stays_without_its_end_is_logged_and_gives_its_seat_back(
    sqlite_api: ApiServer,
    sqlite_database: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    of: str,
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("canary")

    batch_id, ids = submit_jobs(sqlite_database, 1)
    path = f"/v1/jobs/{ids[0]}/events" if of == "jobs" else f"/v1/batches/{batch_id}/events"
    monkeypatch.setattr("api.watching.job_text.JobText.switch_attempt", fail)
    monkeypatch.setattr("api.watching.batch_watch.read_states", fail)
    url = f"http://127.0.0.1:{sqlite_api.port}{path}"
    with caplog.at_level(logging.INFO), httpx.stream("GET", url, timeout=PATIENCE_SECONDS) as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            answer.read()
        watch_limiter = sqlite_api.config.app.state.services.watch_limiter  # type: ignore[union-attr]  # it is the application
        wait_until(lambda: watch_limiter.taken == 0)
        wait_until(lambda: any(one.name == "api.access" and path in one.getMessage() for one in caplog.records))
    request_id = answer.headers["x-request-id"]
    assert f"unexpected error in {request_id}" in caplog.text
    assert "RuntimeError: canary" in caplog.text


def test_a_long_path_is_cut_in_the_log(sqlite_api: ApiServer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        answer = httpx.get(f"http://127.0.0.1:{sqlite_api.port}/" + "a" * 15_000, timeout=PATIENCE_SECONDS)
        assert answer.status_code == 404
        wait_until(lambda: any(one.name == "api.access" for one in caplog.records))
    [line] = [one.getMessage() for one in caplog.records if one.name == "api.access"]
    assert line.startswith("GET /aaa")
    assert len(line) < 300
