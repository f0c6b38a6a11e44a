"""`longhand up` says in a line that an upstream does not work any more, and in another that it works again."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs.dispatch.holds import Hold, HoldKind
from longhand.simulator import Pace, Provider, serve_in_thread
from longhand.terminal.upstream_news import UpstreamNews
from longhand.words.catalogue import speaking
from tests.stack.running_up import quick, running_up, submit

HELD = Hold(
    kind=HoldKind.UPSTREAM,
    target="main",
    since=datetime(2026, 1, 1, tzinfo=UTC),
    reason="key",
    message="401: no",
    held_by="system",
    probe_at=datetime(2026, 1, 1, tzinfo=UTC),
    probes=0,
    probe_job=None,
    cut_bytes=None,
)
AWAY = replace(HELD, reason="away")
MINUTE = 60.0


class Telling:
    """News, with what they report and the time that they see."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.time = 0.0
        self.news = UpstreamNews(self.lines.append, {"main": "http://x/v1"}, now=lambda: self.time)

    def look(self, *holds: Hold, after: float = 2.0) -> list[str]:
        """What is reported of these holds now."""
        self.time += after
        self.lines.clear()
        self.news.look(holds)
        return list(self.lines)


def test_each_change_is_one_line() -> None:
    telling = Telling()
    assert telling.look() == []
    held = "upstream main refuses its API key, so no new job starts there: check the key; it is tried again by itself"
    assert telling.look(HELD) == [held]
    assert telling.look(replace(HELD, probes=3)) == []
    [away] = telling.look(AWAY)
    assert away.startswith(
        "upstream main fails or cannot be reached, so no new job starts there: check that the server"
    )
    assert "http://x/v1" in away
    assert telling.look() == ["upstream main works again, and its jobs go on"]
    assert telling.look() == []


def test_each_change_is_one_line_in_chinese_too() -> None:
    telling = Telling()
    with speaking("zh"):
        assert telling.look(replace(HELD, reason="credit")) == [
            "接口 main 余额不足，不会在那里开始新任务：请充值；之后会自动重试"
        ]
        assert telling.look() == ["接口 main 已恢复，任务继续"]


def test_a_reason_of_a_later_version_says_where_to_look() -> None:
    [line] = Telling().look(replace(HELD, reason="of a later version"))
    assert "is on hold, so no new job starts there: see longhand upstreams;" in line


def test_each_upstream_is_told_by_itself() -> None:
    telling = Telling()
    other = replace(AWAY, target="other")
    assert len(telling.look(HELD, other)) == 2
    assert telling.look(HELD) == ["upstream other works again, and its jobs go on"]


def test_what_a_person_pauses_is_no_news() -> None:
    telling = Telling()
    by_person = replace(HELD, held_by="person", reason="paused")
    batch = replace(HELD, kind=HoldKind.BATCH, held_by="person", reason="paused")
    assert telling.look(by_person, batch) == []
    assert telling.look() == []
    assert len(telling.look(HELD)) == 1
    assert telling.look(by_person) == []
    assert telling.look() == ["upstream main works again, and its jobs go on"]


def test_what_goes_on_and_off_all_the_time_is_told_seldom_and_at_last_as_it_is() -> None:
    telling = Telling()
    said = [line for _ in range(300) for holds in ([AWAY], []) for line in telling.look(*holds, after=3.0)]
    assert 20 <= len(said) <= 28  # in half an hour
    telling.look(AWAY, after=10 * MINUTE)
    assert telling.look(after=10 * MINUTE) == ["upstream main works again, and its jobs go on"]


@pytest.mark.races
def test_the_terminal_of_up_tells_that_an_upstream_is_out_of_credit_and_that_it_works_again(tmp_path: Path) -> None:
    with (
        serve_in_thread(Pace(deltas_per_second=0, first_delta_seconds=0.05), Provider(credit=1)) as provider,
        running_up(quick(tmp_path / "home", provider.url), "--port", "0") as up,
    ):
        for _ in range(3):
            submit(up.url)
        up.wait_for("upstream default is out of credit, so no new job starts there: add credit; it is tried again by")
        assert "works again" not in up.output
        provider.top_up(100)
        up.wait_for("upstream default works again, and its jobs go on")
        assert up.end() == 0
