"""Which upstreams have refused the latest jobs that they were sent, read from the jobs themselves."""

import httpx
import pytest

from api.schemas.status import StatusObject
from jobs.dispatch import refused_lately
from jobs.dispatch.refused_lately import RefusedLately, read_refused_lately
from jobs.dispatch.upstream_states import ErrorState
from jobs.model.endings import JobError
from jobs.store.database import Database
from jobs.store.keys import create_key
from tests.api.callers import calling, secrets
from tests.conftest import serve_api
from tests.sparing import on_sqlite
from tests.store.plans import plans_of
from tests.store.store_fixtures import Store, store
from tests.upstreams.ended_jobs import begin_job, end_job

__all__ = ["secrets", "store"]  # fixtures

REJECTED = JobError("upstream_rejected", "no such model")


def end(store: Store, error: JobError | None, upstream: str = "one", project: str = "default") -> None:
    store.clock.advance(1)
    end_job(store.database, begin_job(store.database, upstream, project), error)


@on_sqlite
def test_an_upstream_that_refused_three_jobs_in_a_row_is_known_by_the_latest(store: Store) -> None:
    end(store, None)
    for message in ("first", "second"):
        end(store, JobError("upstream_rejected", message))
    assert read_refused_lately(store.database, None) == {}
    end(store, JobError("upstream_not_a_stream", "third"))
    found = {"one": RefusedLately(3, ErrorState("upstream_not_a_stream", store.clock.now, "third"))}
    for project in (None, "default"):
        assert read_refused_lately(store.database, project) == found


@pytest.mark.parametrize("error", [None, JobError("upstream_cut", "it broke off")])
def test_a_job_that_was_taken_since_takes_that_back(store: Store, error: JobError | None) -> None:
    for _ in range(4):
        end(store, REJECTED)
    assert set(read_refused_lately(store.database, None)) == {"one"}
    end(store, error)
    assert read_refused_lately(store.database, None) == {}


def test_each_upstream_is_judged_alone_and_a_project_sees_its_own_jobs(store: Store) -> None:
    for _ in range(3):
        end(store, REJECTED, project="red")
        end(store, None, "two")
    end(store, None, "one", "blue")
    assert read_refused_lately(store.database, "red")["one"].count == 3
    assert read_refused_lately(store.database, "blue") == {}
    assert read_refused_lately(store.database, None) == {}  # blue's job was taken


def test_only_the_latest_jobs_are_looked_at_and_none_is_counted_past_one_that_was_taken(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refused_lately, "_LATEST", 5)
    for _ in range(2):
        end(store, REJECTED)
    end(store, None)  # out of sight among the latest that completed, were they looked at apart
    for _ in range(2):
        end(store, REJECTED)
    for _ in range(3):
        end(store, None, "two")
    assert read_refused_lately(store.database, None) == {}
    for _ in range(9):
        end(store, REJECTED)
    assert read_refused_lately(store.database, None)["one"].count == 5


@pytest.mark.parametrize("project", [None, "default"])
def test_it_reads_the_end_of_an_index_however_many_jobs_there_are(
    sqlite_database: Database, project: str | None
) -> None:
    with plans_of(sqlite_database) as plans:
        read_refused_lately(sqlite_database, project)
    assert len(plans) == 2
    for _, steps in plans:
        assert [step.partition(" USING INDEX ")[0] for step in steps] == ["SEARCH jobs"]


def test_a_job_that_began_earlier_and_is_taken_later_takes_that_back_too(store: Store) -> None:
    slow = begin_job(store.database, "one")
    for _ in range(3):
        end(store, REJECTED)
    assert set(read_refused_lately(store.database, None)) == {"one"}
    store.clock.advance(1)
    end_job(store.database, slow, None)
    assert read_refused_lately(store.database, None) == {}


def known_status(client: httpx.Client) -> StatusObject:
    """The status, once the database has answered in time for it: on a busy machine it may not, and much is null."""
    for _ in range(30):
        status = StatusObject.model_validate(client.get("/v1/status").json())
        if status.database.state == "ok":
            return status
    raise AssertionError("the database never answered in time")


def test_the_api_tells_a_project_of_its_own_jobs_and_an_operator_of_all(
    secrets: dict[str, str], database: Database, database_url: str, redis_url: str
) -> None:
    for _ in range(3):
        end_job(database, begin_job(database, "default", "red"), REJECTED)
    with serve_api(database_url, redis_url, LONGHAND_UPSTREAM_URL="http://127.0.0.1:9/v1") as api:
        told = {}
        for project, secret in {**secrets, "default": create_key(database)[1]}.items():
            with calling(api, secret) as client:
                [told[project]] = known_status(client).upstreams or []
    assert told["blue"].refused is None
    for project in ("red", "default"):
        refused = told[project].refused
        assert refused is not None
        assert (refused.count, refused.error.code, refused.error.message) == (3, REJECTED.code, REJECTED.message)
