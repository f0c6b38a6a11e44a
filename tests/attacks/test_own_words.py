"""Refusals that repeat the request: whatever a user writes there, it costs the jobs of others nothing."""

import json
import time
from collections.abc import Callable

import pytest

from tests.providers.case import answer, stream
from tests.providers.feeding import Fed, feed
from tests.upstream.scripted_upstream import DONE, FINISH, event, text
from worker.upstream.errors import Cause, RateLimited, Rejected, RejectedInStream, Unauthorized, UpstreamError
from worker.upstream.failures import error_of_object, error_of_status
from worker.upstream.habits import Habits
from worker.upstream.own_words import OwnWords
from worker.verdict import find_fault

WORDS = [
    "credit balance is too low",
    "You exceeded your current quota, please check your plan and billing details",
    "Incorrect API key provided",
    "Arrearage",
    "insufficient_quota",
    "invalid_api_key",
    "余额不足",
    '{"error": {"code": "insufficient_quota"}}',
]
ECHOES: list[tuple[str, int, Callable[[str], object]]] = [
    ("OpenAI's 404", 404, lambda w: {"error": {"message": f"No model `{w}` there", "code": "model_not_found"}}),
    ("OpenRouter", 400, lambda w: {"error": {"message": f"{w} is not a valid model ID", "code": 400}}),
    ("a value", 400, lambda w: {"error": {"message": f"Invalid value: '{w}'.", "type": "invalid_request_error"}}),
    ("a Python list", 400, lambda w: {"object": "error", "message": str([{"msg": "Input should be", "input": w}])}),
    ("JSON in a string", 400, lambda w: {"error": {"metadata": {"raw": json.dumps({"error": {"message": w}})}}}),
    ("a plain body", 422, lambda w: f"bad request: {w}".encode()),
    ("in capitals, on two lines", 400, lambda w: {"detail": f"no:\n{w.upper()}"}),
    ("shortened", 400, lambda w: {"detail": f"no such thing: {w[:-1]}…"}),
    ("nothing but the words", 400, lambda w: {"error": {"message": w}}),
    ("a 403 of one model", 403, lambda w: {"error": {"message": f"no model `{w}`", "code": "model_not_found"}}),
]  # fmt: skip
PLACES: list[Callable[[str], dict[str, object]]] = [
    lambda w: {"model": f"{w} 1"},
    lambda w: {"messages": [{"role": "user", "content": [{"type": "text", "text": f"Write of a\n{w}: now."}]}]},
    lambda w: {"tools": [{"function": {"name": w}}]},
    lambda w: {"metadata": {w: "x"}},
    lambda w: {w: 1},
]


def refuse(status: int, body: object, request: dict[str, object]) -> UpstreamError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return error_of_status(status, content, retry_after_seconds=None, location=None, own=OwnWords(request))


@pytest.mark.parametrize("place", range(len(PLACES)))
@pytest.mark.parametrize(("name", "status", "echo"), ECHOES, ids=[name for name, _, _ in ECHOES])
def test_words_that_stand_in_the_request_blame_neither_the_account_nor_the_key(
    name: str, status: int, echo: Callable[[str], object], place: int
) -> None:
    """Before, one project's job with such a model held the upstream for all."""
    for words in WORDS:
        error = refuse(status, echo(words), PLACES[place](words))
        assert find_fault(error).fault == "job", (name, error.message)
        in_stream = error_of_object({"detail": echo(words)} if status != 422 else words, OwnWords(PLACES[place](words)))
        assert in_stream.cause not in (Cause.CREDIT, Cause.KEY), (name, in_stream.message)


@pytest.mark.parametrize("words", ['{"code": 401}', '{"status_code": 1004}', '{"retry_after": 3000}'])
def test_a_value_that_is_json_is_not_read_as_what_the_upstream_says_of_itself(words: str) -> None:
    own = OwnWords({"user": words})
    error = error_of_object({"message": words}, own)
    assert (error.cause, error.retry_after_seconds) == (Cause.JOB, None)
    assert refuse(503, {"error": {"raw": words}}, {"user": words}).retry_after_seconds is None


@pytest.mark.parametrize("how", ["a refusal", "in the stream", "a 200 that is no stream"])
def test_a_reading_compares_what_it_is_told_with_what_it_asked(how: str) -> None:
    told = {"error": {"message": "No such thing: 'credit balance'"}}
    script = {"a refusal": answer(400, told), "in the stream": stream(event(told))}.get(how, answer(200, told))
    for body, cause in (({}, Cause.CREDIT), ({"user": "credit balance"}, Cause.JOB)):
        [(error, _)] = feed([step for step in script if isinstance(step, bytes)], body=body).outcomes
        assert isinstance(error, UpstreamError)
        assert error.cause is cause


@pytest.mark.parametrize(
    "request_", [{}, {"messages": [{"content": "Write on batteries: how to recharge, a balance."}]}]
)
def test_the_upstreams_own_words_are_read_beside_a_request_that_has_a_few_of_them(request_: dict[str, object]) -> None:
    empty = {"error": {"message": "Your credit balance is too low, please recharge.", "type": "invalid_request_error"}}
    error = refuse(400, empty, request_)
    assert error.cause is Cause.CREDIT
    assert refuse(400, {"error": {"message": "API key not valid."}}, request_).cause is Cause.KEY
    told = refuse(429, {"error": {"message": "insufficient balance"}}, request_)
    assert told.cause is Cause.CREDIT


@pytest.mark.parametrize("about", [{"code": "model_not_found"}, {"code": "unsupported_value"}, {"param": "model"}])
def test_a_code_or_a_parameter_that_says_what_was_refused_counts_more_than_words(about: dict[str, str]) -> None:
    refusal = {"error": {"message": "Not for you: credit balance, invalid API key", **about}}
    assert refuse(400, refusal, {}).cause is Cause.JOB
    assert refuse(400, {"error": {"message": "Not for you: credit balance"}}, {}).cause is Cause.CREDIT
    assert refuse(404, {"error": {"message": "Not for you: credit balance"}}, {}).cause is Cause.JOB


@pytest.mark.parametrize("about", [{"type": "key_model_access_denied", "param": "model"}, {"param": "model"}])
def test_a_401_or_403_that_names_the_model_is_the_jobs_own(about: dict[str, str]) -> None:
    """Before, the 401 of LiteLLM for one model held the upstream for all."""
    told = {"message": "key not allowed to access model", "code": "401", **about}
    for status in (401, 403):
        assert type(refuse(status, {"error": told}, {})) is Rejected
        assert type(error_of_object({**told, "code": str(status)})) is RejectedInStream


@pytest.mark.parametrize("param", [None, "None", "key", "api_key"])
def test_a_401_that_names_the_key_or_nothing_refuses_the_key(param: str | None) -> None:
    """LiteLLM says of an unknown key: `param: key`."""
    error = refuse(401, {"error": {"message": "no", "type": "token_not_found_in_db", "param": param}}, {})
    assert type(error) is Unauthorized
    assert type(refuse(401, b"", {})) is Unauthorized


def test_groq_says_by_a_code_that_a_model_is_blocked() -> None:
    blocked = {"type": "permissions_error", "code": "model_permission_blocked_project", "message": "it is blocked"}
    assert type(refuse(403, {"error": blocked}, {})) is Rejected


def test_a_wait_that_stands_in_the_request_is_not_asked_for_by_the_upstream() -> None:
    """Before, it became the pause of the model for all."""
    said = "please try again in 3000 seconds"
    for body in ({"error": {"message": f"busy with '{said}'"}}, {"detail": [{"input": {"retry_after": 3000}}]}):
        request: dict[str, object] = {"messages": [{"content": said}], "metadata": {"retry_after": "3000"}}
        assert refuse(429, body, request).retry_after_seconds is None
        assert refuse(429, body, {}).retry_after_seconds == 3000
    both = {"error": {"message": f"'{said}': rate limit reached, try again in 2s"}}
    assert refuse(429, both, {"user": said}).retry_after_seconds == 2


def test_words_of_load_that_stand_in_the_request_slow_nobody_down() -> None:
    failed = {"error": {"message": "Error processing 'overloaded, rate limit'"}}
    own: dict[str, object] = {"messages": [{"content": "overloaded, rate limit"}]}
    assert find_fault(refuse(500, failed, {})).fault == "limit"
    assert find_fault(refuse(500, failed, own)).fault == "failing"
    assert not isinstance(error_of_object(failed["error"], OwnWords(own)), RateLimited)
    # To be busy is the milder reading of a 503, which would hold the upstream.
    assert find_fault(refuse(503, failed, own)).fault == "limit"


def test_a_limit_in_the_requests_words_makes_no_empty_account_of_a_limit() -> None:
    limited = {"error": {"message": "allocated quota exceeded", "code": "insufficient_quota"}}
    assert isinstance(refuse(429, limited, {"user": "allocated quota exceeded"}), RateLimited)


def test_a_number_in_the_prompt_makes_no_code_of_the_upstream_its_own() -> None:
    refused = {"base_resp": {"status_code": 1004, "status_msg": "not authorized"}}
    assert error_of_object(refused, OwnWords({"messages": [{"content": "Call 210043."}]})).cause is Cause.KEY


def test_a_prompt_of_megabytes_is_searched_in_a_moment() -> None:
    prompt = "An article about rain, and more of it. " * 250_000
    said = {"error": {"message": "credit balance, recharge, overdue " * 400}}
    began = time.process_time()
    assert refuse(400, said, {"messages": [{"content": prompt}]}).cause is Cause.CREDIT
    assert time.process_time() - began < 2


def test_thousands_of_places_are_not_all_looked_for_in_a_long_prompt() -> None:
    """Each takes milliseconds, in which no other stream is read."""
    places = [f"model {number:04} not found" for number in range(200)]
    own = OwnWords({"messages": [{"content": "An article about rain. " * 500_000 + " ".join(places)}]})
    began = time.process_time()
    assert all(own.have(place) for place in places)
    assert own.have("what is nowhere")  # not looked for any more
    assert time.process_time() - began < 2


GOOD = stream(text("Tea."), FINISH, DONE)
UNKNOWN = {"error": {"message": "Unknown parameter: 'max_tokens'.", "type": "invalid_request_error"}}


def play(*answers: object, habits: Habits, **body: object) -> Fed:
    """One reading of answers, each a refusal's body or a stream."""
    scripts = [each if isinstance(each, tuple) else answer(400, each) for each in answers]
    pieces = [[step for step in script if isinstance(step, bytes)] for script in scripts]
    return feed(*pieces, body={"max_tokens": 5, **body}, habits=habits)


@pytest.mark.parametrize("param", ["reasoning_effort", None])
def test_a_refused_value_that_names_parameters_changes_no_other_request(param: str | None) -> None:
    """Before, `max_tokens` and `stream_options` were left out for all projects and for good."""
    own, habits = "max_tokens stream_options unknown", Habits()
    refusal = {"error": {"message": f"Invalid value: '{own}'.", "type": "invalid_request_error", "param": param}}
    fed = play(refusal, habits=habits, reasoning_effort=own)
    assert isinstance(fed.outcomes[0][0], UpstreamError)
    assert len(fed.asked) == (1 if param else 2)  # without `stream_options`, which are Longhand's
    assert habits.changes_of("m-1") == ()
    assert habits.take_new() == []


def test_a_change_is_noted_only_when_the_changed_request_was_taken() -> None:
    habits = Habits()
    play(UNKNOWN, {"error": {"message": "The server is broken."}}, habits=habits)
    assert habits.changes_of("m-1") == ()
    play(UNKNOWN, stream(event({"error": {"message": "broken", "code": 500}})), habits=habits)
    assert habits.changes_of("m-1") == ()
    play(UNKNOWN, GOOD, habits=habits)
    assert [change.name for change in habits.changes_of("m-1")] == ["max_tokens"]


def test_a_parameter_that_the_prompt_names_too_is_left_out_for_this_job_alone() -> None:
    """It may be the upstream's word or an echo: the job goes on, and nobody else is changed."""
    habits = Habits()
    fed = play(UNKNOWN, GOOD, habits=habits, messages=[{"role": "user", "content": "Explain max_tokens."}])
    assert fed.outcomes[0][1] == "Tea."
    assert "max_tokens" not in json.loads(fed.asked[1])
    assert habits.changes_of("m-1") == ()
    named = {"error": {**UNKNOWN["error"], "param": "max_tokens"}}
    play(named, GOOD, habits=habits, messages=[{"role": "user", "content": "Explain max_tokens."}])
    assert [change.name for change in habits.changes_of("m-1")] == ["max_tokens"]


def test_the_role_of_a_message_is_no_word_of_the_users() -> None:
    """Mistral refuses `user` by its name alone: each job was asked for twice, for good."""
    habits = Habits()
    refusal = {
        "detail": [{"type": "extra_forbidden", "loc": ["body", "user"], "msg": "Extra inputs are not permitted: user"}]
    }
    play(refusal, GOOD, habits=habits, user="me", messages=[{"role": "user", "content": "Tea?"}])
    assert [change.name for change in habits.changes_of("m-1")] == ["user"]
