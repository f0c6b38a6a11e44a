"""What earlier attempts of a job wrote, as far as it is stored."""

import httpx
import redis

from api.schemas.jobs import JobWithAttempts
from jobs.intake.submission import NewJob, submit_job
from jobs.lifecycle.lease import Checkpoint, renew
from jobs.lifecycle.transitions import ask_for_repair
from jobs.model.endings import JobError
from jobs.store.database import Database
from tests.api.watching import REQUEST, Writer


def kept(client: httpx.Client, job_id: str) -> dict[int, str]:
    """What can be read of the attempts of a job."""
    job = client.get(f"/v1/jobs/{job_id}").json()
    JobWithAttempts.model_validate(job)
    answers = {number: client.get(f"/v1/jobs/{job_id}/text?attempt={number}") for number in job["kept_texts"]}
    assert {number: answer.headers["x-text-attempt"] for number, answer in answers.items()} == {
        number: str(number) for number in job["kept_texts"]
    }
    return {number: answer.text for number, answer in answers.items()}


def test_what_earlier_attempts_wrote_can_be_read_until_the_job_ends(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    job_id = submit_job(database, NewJob(request=REQUEST, on_reject="repair")).id
    assert kept(client, job_id) == {}
    longest = Writer(database, valkey_client, job_id)
    longest.write("the longest of all of them")
    longest.retry()
    rejected = Writer(database, valkey_client, job_id)
    rejected.write("rejected é")
    fault = {"rule": "min_words", "asked": "250", "found": "1"}
    reasons = JobError("not_accepted", "too short", rejections=(fault,))
    assert ask_for_repair(database, job_id, 2, rejected.written(), reasons)
    repair = Writer(database, valkey_client, job_id)
    repair.write("repaired")
    renew(database, "played", [Checkpoint(job_id, 3, "repaired")], 600)
    assert kept(client, job_id) == {1: "the longest of all of them", 2: "rejected é", 3: "repaired"}
    repair.finish()
    assert kept(client, job_id) == {3: "repaired"}


def test_a_text_that_is_not_kept_is_not_found(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    job_id = submit_job(database, NewJob(request=REQUEST)).id
    Writer(database, valkey_client, job_id).finish()
    for attempt in (1, 2):
        answer = client.get(f"/v1/jobs/{job_id}/text", params={"attempt": attempt})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
        assert f"no text of attempt {attempt} is kept" in answer.json()["error"]["message"]
    assert client.get(f"/v1/jobs/{job_id}/text", params={"attempt": 0}).status_code == 400


def test_the_reasoning_of_an_attempt_can_be_read_where_it_is_stored(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    job_id = submit_job(database, NewJob(request=REQUEST, on_reject="repair")).id
    longest = Writer(database, valkey_client, job_id)
    longest.think("I think.")
    longest.write("the longest of all of them")
    longest.retry()
    rejected = Writer(database, valkey_client, job_id)
    rejected.think("I think again.")
    rejected.write("rejected")
    assert ask_for_repair(database, job_id, 2, rejected.written(), JobError("not_accepted", "too short"))
    Writer(database, valkey_client, job_id)
    renew(database, "played", [Checkpoint(job_id, 3, "repaired")], 600)
    asked = {number: client.get(f"/v1/jobs/{job_id}/text?attempt={number}&part=reasoning") for number in (1, 2, 3)}
    told = {number: (answer.status_code, answer.headers.get("x-text-attempt")) for number, answer in asked.items()}
    assert told == {1: (200, "1"), 2: (404, None), 3: (200, "3")}
    assert (asked[1].text, asked[3].text) == ("I think.", "")
    # Of a text that waits for its repair only the text itself is kept once the repair has begun.
    assert asked[2].json()["error"]["message"].startswith("attempt: no reasoning of attempt 2 is kept")
