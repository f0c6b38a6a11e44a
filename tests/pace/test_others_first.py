"""A refusal of one project while others wait: what these are answered says whose limit it was."""

import pytest

from jobs.pace.judge import judge_refusal
from jobs.pace.lane import JUDGE_SECONDS, Lane
from jobs.pace.others_first import ANSWER_SECONDS, LONGEST_SECONDS, SLOW_REQUESTS
from jobs.pace.reports import Accepted, Finished, LaneLimits, Refused
from tests.pace.simulation import EPOCH

STREAMS, APART = 20, 8.0


class Played:
    """A lane in which texts of minutes are written, one begun every eight seconds."""

    def __init__(self) -> None:
        self.now, self.running = EPOCH, list[float]()
        self.lane = Lane.new(LaneLimits(), self.now)
        for number in range(1, STREAMS + 1):
            self.accept(number)
            self.now += APART
        self.before = self.window

    @property
    def window(self) -> int:
        return self.lane.most_streams()

    @property
    def behind(self) -> set[str]:
        return self.lane.state.behind(self.now)[0]

    def free_one(self, in_flight: int) -> None:
        """As many texts end as make room for one more of so many in flight."""
        while len(self.running) >= in_flight:
            ended = Finished(self.running.pop(0), self.now, 500)
            self.lane.apply([ended], len(self.running), self.now)

    def accept(self, in_flight: int) -> None:
        self.free_one(in_flight)
        self.lane.reserve(500, self.now)
        self.running.append(self.now)
        self.lane.apply([Accepted(self.now, self.now + 0.03, 0.03, in_flight)], in_flight, self.now + 0.03)
        self.now += 0.03

    def refuse(self, project: str, in_flight: int = STREAMS, *, is_own: bool = False) -> None:
        """And it is judged, if it is to be."""
        self.free_one(in_flight)
        self.lane.reserve(500, self.now)
        refused = Refused(self.now, self.now + 0.01, None, in_flight, 500, project, is_own)
        self.lane.apply([refused], in_flight, self.now + 0.01)
        self.now += 2 * JUDGE_SECONDS
        self.lane.apply([], in_flight - 1, self.now)


@pytest.fixture
def played() -> Played:
    return Played()


def test_a_refusal_with_as_many_as_were_accepted_cuts_nothing_before_another_project_has_gone(played: Played) -> None:
    played.refuse("refused")
    assert played.window == played.before
    assert played.behind == {"refused"}
    assert played.lane.room(STREAMS - 1, played.now) > 0


def test_refusals_of_one_project_cut_nothing_while_each_is_followed_by_an_accepted_one_of_another(
    played: Played,
) -> None:
    for _ in range(STREAMS):
        played.refuse("refused")
        played.accept(STREAMS)
        played.now += APART
        played.accept(STREAMS)
        assert not played.behind, "its turn comes again"
        played.now += APART
    assert played.window >= played.before


def test_a_second_refusal_that_no_accepted_request_came_between_is_everybodys(played: Played) -> None:
    for project in ("other", "refused"):
        again = Played()
        again.refuse("refused")
        again.now += ANSWER_SECONDS
        again.refuse(project)
        assert again.window < STREAMS


def test_a_request_that_was_reserved_before_its_project_was_refused_confirms_nothing(played: Played) -> None:
    played.refuse("refused")
    played.refuse("refused")
    assert played.window == played.before


def test_projects_that_are_refused_by_turns_let_the_others_go_first_together(played: Played) -> None:
    """Before, each went first for the other one, and they were refused ten times a second."""
    played.refuse("refused", is_own=True)
    played.refuse("another", is_own=True)
    assert played.behind == {"refused", "another"}


def test_a_limit_that_has_fallen_costs_one_refusal_more_and_not_one_for_each_stream(played: Played) -> None:
    played.refuse("refused")
    played.refuse("other")
    for left in range(STREAMS - 2, 5, -1):
        played.now += APART
        played.refuse("refused", left + 1)
        assert played.window <= left


def test_a_project_that_is_alone_or_sends_more_than_was_accepted_is_told_at_once(played: Played) -> None:
    for project, in_flight in (("", STREAMS), ("refused", STREAMS + 1)):
        again = Played()
        again.refuse(project, in_flight)
        assert again.window == in_flight - 1 < again.before


def test_what_was_accepted_with_fewer_or_much_later_does_not_say_that_a_refusal_was_of_one(played: Played) -> None:
    for seconds, in_flight in ((0.0, STREAMS - 2), (ANSWER_SECONDS + 1, STREAMS)):
        again = Played()
        again.refuse("refused")
        again.now += seconds
        again.accept(in_flight)
        assert not again.lane.state.confirmed_at
        again.now += ANSWER_SECONDS
        again.refuse("refused", in_flight)
        assert again.lane.state.confirmed_at, "it is judged as everybody's"


def test_a_refusal_that_was_the_projects_own_puts_it_behind_and_changes_nothing_else(played: Played) -> None:
    entries = len(played.lane.state.rate.log.entries)
    played.refuse("refused", is_own=True)
    assert played.behind == {"refused"}
    assert played.window == played.before
    assert len(played.lane.state.rate.log.entries) == entries, "an upstream counts nothing of what it refuses"
    assert (played.lane.state.window.lasts or APART) >= APART, "a refusal is no short text"


def test_a_project_is_behind_for_a_minute_at_most(played: Played) -> None:
    played.refuse("refused")
    played.now += LONGEST_SECONDS
    assert not played.behind


def test_where_many_are_accepted_the_numbers_tell_and_nobody_is_put_behind(played: Played) -> None:
    for _ in range(SLOW_REQUESTS):
        played.accept(STREAMS)
    played.refuse("refused")
    played.refuse("refused", is_own=True)
    assert not played.behind


def test_what_is_known_of_a_refusal_is_stored_with_the_pace(played: Played) -> None:
    played.refuse("refused")
    stored = Lane.from_json(played.lane.to_json(), LaneLimits())
    assert stored.state.others_first == played.lane.state.others_first
    older = played.lane.to_json()
    for name in ("others_first", "refused_project", "refused_before", "confirmed_at"):
        del older[name]
    assert Lane.from_json(older, LaneLimits()).state.others_first is None
    assert not judge_refusal(stored.state, None, played.now)
