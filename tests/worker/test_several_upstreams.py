"""Each job goes to an upstream that takes its model, in the way that the upstreams file says, also after a change."""

from pathlib import Path

from jobs.model.status import JobStatus
from jobs.store.database import Database
from tests.store.reserving import reserve
from tests.upstream.scripted_upstream import DONE, FINISH, ROLE, Script, ScriptedUpstream, chunked, text
from tests.worker.ear import listening
from tests.worker.worker_fixtures import history, job_and_text, open_worker, small_settings, submit, wait_until

ANSWER: Script = chunked(ROLE, text("Good."), FINISH, DONE)
KEY = "sk-canary-4711"


def declare(name: str, url: str, *lines: str) -> str:
    """One upstream in the file."""
    return "\n".join(["[[upstream]]", f'name = "{name}"', f'url = "{url}"', *lines, ""])


def wait_for_end(database: Database, job_id: str) -> None:
    """Not with an ear: dispatch runs already, and the job may be done before the ear hears."""
    wait_until(lambda: job_and_text(database, job_id)[0].status is JobStatus.COMPLETED, "the job ends")


def write(database: Database, redis_url: str, file: Path, *models: str) -> list[str]:
    """Let a worker with this file write one text of each model, one after the other; their jobs' ids."""
    ids = []
    settings = small_settings(redis_url, "http://127.0.0.1:1/v1", upstreams=file)
    with open_worker(database, settings) as worker:
        worker.dispatch.start()
        for model in models:
            job_id = submit(database, fields={"model": model, "max_tokens": 9})
            worker.dispatch.wake()
            wait_for_end(database, job_id)
            ids.append(job_id)
    return ids


def test_each_model_goes_to_the_upstream_that_takes_it_under_its_name_there(
    database: Database, redis_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "upstreams.toml"
    (tmp_path / "key").write_text(KEY)
    with ScriptedUpstream(ANSWER) as one, ScriptedUpstream(ANSWER) as two:
        file.write_text(
            declare("one", one.url, 'models = ["gpt-*"]', 'api_key_file = "key"', "usage = false")
            + declare(
                "two",
                f"{two.url}?api-version=2",
                'models = ["llama"]',
                'rename = { llama = "meta/llama-4" }',
                'headers = { "api-key" = "file:key", "X-Team" = "news" }',
                'parameters = { max_tokens = "max_completion_tokens" }',
            )
        )
        first, second = write(database, redis_url, file, "gpt-4o", "llama")
    assert one.last.headers["authorization"] == f"Bearer {KEY}"
    assert (one.last.body["model"], one.last.body["max_tokens"]) == ("gpt-4o", 9)
    assert "stream_options" not in one.last.body
    assert two.last.path.endswith("/chat/completions?api-version=2")
    assert "authorization" not in two.last.headers
    assert (two.last.headers["api-key"], two.last.headers["x-team"]) == (KEY, "news")
    assert (two.last.body["model"], two.last.body["max_completion_tokens"]) == ("meta/llama-4", 9)
    assert "max_tokens" not in two.last.body
    for job_id, name in ((first, "one"), (second, "two")):
        job, stored = job_and_text(database, job_id)
        assert (job.status, stored) == (JobStatus.COMPLETED, "Good.")
        assert [attempt.upstream for attempt in history(database, job_id)] == [name]


def test_a_change_of_the_file_counts_for_the_next_job_without_a_restart(
    sqlite_database: Database, redis_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "upstreams.toml"
    with ScriptedUpstream(ANSWER) as old, ScriptedUpstream(ANSWER) as new:
        file.write_text(declare("one", old.url))
        settings = small_settings(redis_url, "http://127.0.0.1:1/v1", upstreams=file)
        with open_worker(sqlite_database, settings) as worker:
            worker.dispatch.start()

            def write_one() -> None:
                job_id = submit(sqlite_database)
                worker.dispatch.wake()
                wait_for_end(sqlite_database, job_id)

            write_one()
            assert (len(old.exchanges), len(new.exchanges)) == (1, 0)
            before = worker.source.current()
            file.write_text(declare("one", new.url))

            def is_read_anew() -> bool:
                worker.dispatch.wake()
                return worker.source.current() is not before

            wait_until(is_read_anew, "the file is read anew")
            write_one()
            assert (len(old.exchanges), len(new.exchanges)) == (1, 1)


def test_a_job_whose_upstream_is_taken_out_of_the_file_goes_to_another_one_uncharged(
    sqlite_database: Database, redis_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "upstreams.toml"
    with ScriptedUpstream(ANSWER) as one:
        file.write_text(declare("one", one.url))
        settings = small_settings(redis_url, "http://127.0.0.1:1/v1", upstreams=file)
        with open_worker(sqlite_database, settings) as worker:
            job_id = submit(sqlite_database)
            reserve(sqlite_database, job_id, upstream="gone")
            assert worker.runner.run(job_id)
            job, _ = job_and_text(sqlite_database, job_id)
            assert (job.status, job.failures) == (JobStatus.QUEUED, 0)
            with listening(redis_url, job_id) as ear:
                worker.dispatch.start()
                ear.wait_for_event("done")
        assert [attempt.upstream for attempt in history(sqlite_database, job_id)] == ["gone", "one"]
