"""The channel, on fakeredis and on a real Valkey: keys, the recording script, and what a follower makes of messages."""

from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from jobs.live.channel import (
    RECORD_SCRIPT,
    channel_name,
    decode,
    encode_delta,
    encode_done,
    encode_queued,
    encode_started,
    tail_key,
)
from jobs.live.follower import DoneMessage, Follower, Gap, Queued, ResetMessage, Started, Text


def record(client: redis.Redis, *items: tuple[str, int, int, str, list[bytes]]) -> list[int]:
    """One call of the script; each item is job, seconds, offset, text, messages."""
    keys = [tail_key(job_id, 1) for job_id, *_ in items]
    values: list[Any] = []
    for job_id, seconds, offset, text, messages in items:
        values += [seconds, offset, text, channel_name(job_id), len(messages), *messages]
    broken: list[int] = client.eval(RECORD_SCRIPT, len(keys), *keys, *values)
    return broken


def heard(subscriber: Any) -> list[bytes]:
    """The payloads that have arrived."""
    payloads = []
    while (message := subscriber.get_message(timeout=0.2)) is not None:
        if message["type"] == "message":
            payloads.append(message["data"])
    return payloads


def test_the_keys_of_a_job_share_a_hash_tag_and_the_tail_has_the_attempt() -> None:
    assert tail_key("job_1", 2) == "longhand:{job_1}:tail:2"
    assert channel_name("job_1") == "longhand:{job_1}:channel"


def test_text_is_in_the_tail_before_it_is_heard(redis_client: redis.Redis) -> None:
    with redis_client.pubsub() as subscriber:  # type: ignore[no-untyped-call]  # so in redis-py
        subscriber.subscribe(channel_name("a"), channel_name("b"))
        broken = record(
            redis_client,
            ("a", 100, 0, "Grüße", [encode_delta(1, 0, "Grü"), encode_delta(1, 4, "ße")]),
            ("b", 100, 0, "中", [encode_delta(1, 0, "中")]),
        )
        assert broken == []
        assert heard(subscriber) == [encode_delta(1, 0, "Grü"), encode_delta(1, 4, "ße"), encode_delta(1, 0, "中")]
    assert redis_client.get(tail_key("a", 1)) == "Grüße".encode()
    assert redis_client.getrange(tail_key("a", 1), 4, -1) == "ße".encode()
    assert 0 < redis_client.ttl(tail_key("b", 1)) <= 100


def test_a_tail_that_is_gone_is_reported_and_nothing_is_said_for_it(redis_client: redis.Redis) -> None:
    record(redis_client, ("a", 100, 0, "lost ", []), ("b", 100, 0, "kept ", []))
    redis_client.delete(tail_key("a", 1))
    with redis_client.pubsub() as subscriber:  # type: ignore[no-untyped-call]  # so in redis-py
        subscriber.subscribe(channel_name("a"), channel_name("b"))
        items = [(name, 0, 5, "more", [encode_delta(1, 5, "more")]) for name in ("a", "b")]
        assert record(redis_client, *items) == [1]
        assert heard(subscriber) == [encode_delta(1, 5, "more")]
    assert not redis_client.exists(tail_key("a", 1))
    assert record(redis_client, ("a", 100, -1, "lost more", [encode_delta(1, 9, "")])) == []
    assert redis_client.get(tail_key("a", 1)) == b"lost more"
    assert redis_client.get(tail_key("b", 1)) == b"kept more"


def test_an_event_without_text_touches_no_tail(redis_client: redis.Redis) -> None:
    assert record(redis_client, ("a", 0, 0, "", [encode_started(1, 0)])) == []
    assert not redis_client.exists(tail_key("a", 1))


def test_messages_are_what_the_documents_say() -> None:
    assert encode_delta(1, 1840, "é") == '{"attempt":1,"offset":1840,"text":"é"}'.encode()
    assert decode(encode_done(2, "completed", 5, "ab")).bytes == 5
    with pytest.raises(ValueError, match="malformed"):
        decode(b"nonsense")


def test_a_follower_takes_what_starts_where_it_is_trims_what_overlaps_and_sees_gaps() -> None:
    follower = Follower(1, 0)
    assert follower.follow(decode(encode_delta(1, 0, "Grü"))) == [Text(1, 0, "Grü", 4)]
    assert follower.follow(decode(encode_delta(1, 0, "Grü"))) == []
    assert follower.follow(decode(encode_delta(1, 2, "üße"))) == [Text(1, 4, "ße", 7)]
    assert follower.follow(decode(encode_delta(1, 8, "!"))) == [Gap()]
    assert follower.follow(decode(encode_delta(1, 7, ""))) == []
    assert follower.follow(decode(encode_delta(1, 9, ""))) == [Gap()]
    assert follower.take(7, " aus") == [Text(1, 7, " aus", 11)]


def test_a_delta_that_would_be_cut_inside_a_character_is_a_gap() -> None:
    follower = Follower(1, 5)  # as a forged cursor says
    assert follower.follow(decode(encode_delta(1, 4, "é"))) == [Gap()]
    assert follower.follow(decode(encode_delta(1, 4, "éa"))) == [Gap()]
    assert follower.offset == 5
    assert follower.follow(decode(encode_delta(1, 4, "ab"))) == [Text(1, 5, "b", 6)]


def test_a_follower_drops_a_zombie_and_resets_for_an_attempt_that_writes_anew() -> None:
    follower = Follower(2, 10)
    assert follower.follow(decode(encode_delta(1, 10, "zombie"))) == []
    assert follower.follow(decode(encode_queued(1))) == []
    assert follower.follow(decode(encode_queued(2))) == [Queued(2)]
    assert follower.follow(decode(encode_started(3, 0))) == [ResetMessage(3), Started(3)]
    assert (follower.attempt, follower.offset) == (3, 0)
    assert follower.follow(decode(encode_started(4, 0))) == [Started(4)]
    assert follower.follow(decode(encode_delta(5, 0, "x"))) == [Gap()]
    assert follower.follow(decode(encode_done(5, "completed", 1, ""))) == [DoneMessage()]


@pytest.mark.parametrize(
    ("offset", "steps"),
    [(10, [Started(2)]), (12, [Started(2)]), (9, [ResetMessage(2), Started(2)]), (0, [ResetMessage(2), Started(2)])],
)
def test_an_attempt_goes_on_only_from_where_the_follower_is_or_later(offset: int, steps: list[object]) -> None:
    assert Follower(1, 10).follow(decode(encode_started(2, offset))) == steps


def test_whether_a_text_goes_on_over_a_missed_attempt_only_the_rows_can_tell() -> None:
    assert Follower(1, 10).follow(decode(encode_started(3, 10))) == [Gap()]


@given(
    pieces=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5), max_size=20),
    fates=st.lists(st.sampled_from(["heard", "lost", "twice"]), min_size=20, max_size=20),
)
def test_whatever_is_lost_or_doubled_a_follower_that_closes_its_gaps_has_the_text(
    pieces: list[str], fates: list[str]
) -> None:
    follower, shown, tail = Follower(1, 0), "", ""
    for piece, fate in zip(pieces, fates, strict=False):
        message = decode(encode_delta(1, len(tail.encode()), piece))
        tail += piece
        for _ in range({"heard": 1, "lost": 0, "twice": 2}[fate]):
            for step in follower.follow(message):
                if isinstance(step, Gap):
                    missed = tail.encode()[follower.offset :].decode()
                    shown += "".join(
                        taken.text for taken in follower.take(follower.offset, missed) if isinstance(taken, Text)
                    )
                elif isinstance(step, Text):
                    shown += step.text
    shown += tail.encode()[follower.offset :].decode()
    assert shown == tail
