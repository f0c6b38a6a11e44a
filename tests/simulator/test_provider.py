"""A simulated provider's limits, credit and keys: what is refused, in which words, and what the stats say of it."""

import json
from typing import Any

import httpx
import pytest

from longhand.simulator.gate import write_duration
from tests.simulator.provided import SLOW, ask, provider, running, statuses
from tests.simulator.wire import ABC, asking, ordering


@pytest.mark.parametrize("window", ["sliding", "bucket"])
def test_what_is_over_the_limit_of_requests_is_refused_and_counted(window: str) -> None:
    with provider(requests_per_minute=3, window=window) as simulator:
        assert statuses(simulator, 5) == [200, 200, 200, 429, 429]
        stats = simulator.stats()
    assert (stats["requests"], stats["accepted"], stats["refused"]) == (5, 3, {"requests": 2})
    assert sum(second.get("requests", 0) for second in stats["per_second"]) == 5
    assert sum(second.get("accepted", 0) for second in stats["per_second"]) == 3
    assert sum(second.get("refused", 0) for second in stats["per_second"]) == 2


def test_a_limit_is_refused_in_openais_words_without_a_hint_unless_one_is_wanted() -> None:
    with provider(requests_per_minute=1) as simulator:
        ask(simulator)
        refusal = ask(simulator)
    assert refusal.json()["error"]["code"] == "rate_limit_exceeded"
    assert "requests per min (RPM): Limit 1" in refusal.json()["error"]["message"]
    assert not [name for name in refusal.headers if name.startswith(("retry-after", "x-ratelimit"))]


def test_a_refusal_says_how_long_to_wait() -> None:
    with provider(requests_per_minute=1, retry_after=True) as simulator:
        assert "retry-after" not in ask(simulator).headers
        assert 1 <= int(ask(simulator).headers["retry-after"]) <= 60


def test_every_answer_has_the_limits_in_its_headers() -> None:
    with provider(requests_per_minute=2, tokens_per_minute=1000, rate_headers=True) as simulator:
        answers = [ask(simulator) for _ in range(3)]
    assert [answer.headers["x-ratelimit-limit-requests"] for answer in answers] == ["2", "2", "2"]
    assert [answer.headers["x-ratelimit-remaining-requests"] for answer in answers] == ["1", "0", "0"]
    assert all(int(answer.headers["x-ratelimit-remaining-tokens"]) < 1000 for answer in answers)
    assert answers[0].headers["x-ratelimit-reset-requests"].startswith(("1m", "5"))  # less what the answer took


def test_durations_are_written_as_openai_writes_them() -> None:
    assert [write_duration(seconds) for seconds in (0, 0.12, 1, 7.66, 360, 61.5)] == [
        *("0ms", "120ms", "1s", "7.66s", "6m0s", "1m1.5s")
    ]


def test_a_request_reserves_its_max_tokens_and_is_settled_at_its_end() -> None:
    with provider(tokens_per_minute=1000, rate_headers=True) as simulator:
        first = ask(simulator, max_tokens=900)
        simulator.wait_until(lambda stats: stats["completed"] == 1)
        second = ask(simulator, max_tokens=900)
    assert int(first.headers["x-ratelimit-remaining-tokens"]) < 100
    assert second.status_code == 200, "three deltas were used, not 900"


def test_a_request_that_is_too_large_is_refused_alone_each_time() -> None:
    with provider(tokens_per_minute=1000, retry_after=True) as simulator:
        large = [ask(simulator, max_tokens=2000) for _ in range(3)]
        assert statuses(simulator, 3) == [200, 200, 200]
        assert simulator.stats()["refused"] == {"too_large": 3}
    assert [answer.status_code for answer in large] == [429, 429, 429]
    assert "Request too large" in large[0].json()["error"]["message"]


def test_more_at_once_than_may_be_in_flight_are_refused() -> None:
    with provider(SLOW, in_flight=2) as simulator:
        with running(simulator, 2):
            assert statuses(simulator, 2) == [429, 429]
        simulator.wait_until(lambda stats: stats["running"] == 0)
        with running(simulator):
            stats = simulator.stats()
    assert (stats["refused"], stats["peak_running"]) == ({"in_flight": 2}, 2)


def test_limits_count_each_model_apart_and_only_the_named_ones() -> None:
    with provider(requests_per_minute=1, limited_models=["a*"]) as simulator:
        assert statuses(simulator, 2, model="a1") == [200, 429]
        assert statuses(simulator, 2, model="a2") == [200, 429]
        assert statuses(simulator, 3, model="b") == [200, 200, 200]


def test_a_limit_can_be_changed_while_it_runs() -> None:
    with provider(requests_per_minute=1) as simulator:
        assert statuses(simulator, 2) == [200, 429]
        server = simulator.url.removesuffix("/v1")
        assert httpx.post(f"{server}/limits", json={"requests_per_minute": 3}).json()["requests_per_minute"] == 3
        assert statuses(simulator, 3) == [200, 200, 429]
        simulator.change_limits(requests_per_minute=None)
        assert statuses(simulator, 3) == [200, 200, 200]


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("limits", b'{"rpm": 3}', "rpm"),
        ("limits", b'{"requests_per_minute": -3}', "requests_per_minute"),
        ("limits", b"{", "JSON"),
        ("credit", b"{}", "completions"),
        ("key", b'{"refused": 3}', "refused"),
        ("outage", b'{"seconds": 1, "status": 200}', "status"),
    ],
)
def test_a_change_that_cannot_be_made_is_refused_by_name(path: str, body: bytes, named: str) -> None:
    with provider() as simulator:
        answer = httpx.post(f"{simulator.url.removesuffix('/v1')}/{path}", content=body)
        assert (answer.status_code, named in answer.json()["error"]["message"]) == (400, True)
        assert statuses(simulator, 1) == [200]


def test_credit_runs_out_and_is_topped_up() -> None:
    with provider(credit=2) as simulator:
        assert statuses(simulator, 4) == [200, 200, 429, 429]
        assert ask(simulator).json()["error"]["code"] == "insufficient_quota"
        httpx.post(f"{simulator.url.removesuffix('/v1')}/credit", json={"completions": 1})
        assert statuses(simulator, 2) == [200, 429]
        simulator.top_up(1)
        assert statuses(simulator, 2) == [200, 429]
        assert simulator.stats()["refused"] == {"credit": 5}


def test_a_completion_that_was_not_completed_costs_no_credit() -> None:
    with provider(credit=1) as simulator:
        httpx.post(f"{simulator.url}/chat/completions", json=ordering(status=500))
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.post(f"{simulator.url}/chat/completions", json=ordering(cut_after=1))
        assert statuses(simulator, 2) == [200, 429]


def test_only_the_right_key_is_accepted_and_none_once_it_is_refused() -> None:
    with provider(key="right") as simulator:
        assert [ask(simulator, key=key).status_code for key in ("right", "wrong", "x right")] == [200, 401, 401]
        simulator.refuse_key()
        assert ask(simulator, key="right").json()["error"]["code"] == "invalid_api_key"
        assert httpx.get(f"{simulator.url}/models", headers={"authorization": "Bearer right"}).status_code == 401
        httpx.post(f"{simulator.url.removesuffix('/v1')}/key", json={"refused": False})
        assert ask(simulator, key="right").status_code == 200
        assert simulator.stats()["refused"] == {"key": 3}


def test_every_text_can_have_one_length() -> None:
    with provider(deltas=1000) as simulator:
        request = asking("Write 5 words", stream=False)
        usage = httpx.post(f"{simulator.url}/chat/completions", json=request).json()["usage"]
        request["simulate"] = {"deltas": ABC}
        ordered = httpx.post(f"{simulator.url}/chat/completions", json=request).json()["usage"]
    assert (usage["completion_tokens"], ordered["completion_tokens"]) == (1000, 3)


def test_the_first_answer_to_a_prompt_can_repeat_itself() -> None:
    with provider(loop_after=20) as simulator:
        request = asking("Write 300 words about bees", max_tokens=200)
        first, second = (written(simulator.url, request) for _ in range(2))
        assert simulator.stats()["faults"] == {"loop_after": 1}
    assert len(first) == len(second) == 200
    assert first == (first[:20] * 10)
    assert first[:20] == second[:20]
    assert first[20:40] != second[20:40]


def written(url: str, request: Any) -> list[str]:
    """The deltas of a streamed answer."""
    lines = httpx.post(f"{url}/chat/completions", json=request).text.splitlines()
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]
    return [text for chunk in chunks for choice in chunk["choices"] if (text := choice["delta"].get("content"))]
