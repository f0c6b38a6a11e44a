"""Which projects go first after others were refused in a lane."""

from jobs.dispatch.behind_others import find_groups
from jobs.intake.submission import BatchOptions, submit_batch
from jobs.pace.others_first import OthersFirst
from jobs.pace.state import State
from tests.store.reserving import reserved_by, unpaced, upstream
from tests.store.store_fixtures import Store, new_job, store

__all__ = ["store"]  # a fixture

PROJECTS = ["refused", "new", "writing"]


def test_the_project_that_has_most_texts_in_the_lane_goes_first_and_then_the_others_until_one_is_answered(
    store: Store,
) -> None:
    """Several that are refused, each with one long text, asked each other before: each refusal took one more stream."""
    submit_batch(store.database, [new_job()], BatchOptions(project="new"))
    submit_batch(store.database, [new_job()] * 2, BatchOptions(project="writing"))
    submit_batch(store.database, [new_job()] * 3, BatchOptions(project="refused"))
    with unpaced():
        reserved = reserved_by(store.database, [upstream("default")], 6)
    for job_id in reserved:
        store.claim(job_id)
    now = store.clock().timestamp()
    assert len(reserved) == 6
    key, state = ("default", store.job(job_id).model), State(at=now)

    def groups(*projects: str) -> list[list[str]]:
        with store.database.read() as connection:
            return [list(group) for group in find_groups(connection, key, state, projects, now)]

    assert groups(*PROJECTS) == [PROJECTS]
    state.others_first = OthersFirst(["refused"], now, 1, is_open=True)
    assert groups(*PROJECTS) == [["writing"], ["new", "writing"], PROJECTS]
    state.others_first.is_open = False
    assert groups(*PROJECTS) == [["new", "writing"], PROJECTS]
    assert groups("refused") == [["refused"]]
    assert groups() == []
