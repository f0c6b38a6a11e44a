"""Kind L: what is learned of a refused parameter. Only that an upstream does not know it holds for others, too."""

import json
import time

import pytest

from tests.providers.case import answer, stream
from tests.providers.cases_requests import openai
from tests.providers.feeding import Fed, feed
from tests.providers.refused_parameters import NOT_KNOWN, OF_THIS_REQUEST, TOKENS, WITHOUT_EFFECT, Refused
from tests.upstream.scripted_upstream import DONE, FINISH, text
from worker.upstream import Ending
from worker.upstream.dialects.parameters import Change
from worker.upstream.dialects.unknown_parameters import find_unknown
from worker.upstream.errors import UpstreamError
from worker.upstream.habits import Habits

GOOD = stream(text("Tea."), FINISH, DONE)


def play(refused: Refused, habits: Habits) -> Fed:
    body = {refused.name: refused.value, **refused.more}
    refusal = [step for step in answer(refused.status, refused.body) if isinstance(step, bytes)]
    good = [step for step in GOOD if isinstance(step, bytes)]
    return feed(refusal, good, body=body, habits=habits)


@pytest.mark.parametrize("refused", NOT_KNOWN, ids=str)
def test_what_an_upstream_does_not_know_is_left_out_or_renamed_and_that_is_learned(refused: Refused) -> None:
    habits = Habits()
    fed = play(refused, habits)
    ending, words = fed.outcomes[0]
    asked = json.loads(fed.asked[1])
    assert words == "Tea."
    assert refused.name not in asked
    assert refused.other_name is None or asked[refused.other_name] == refused.value
    assert isinstance(ending, Ending)
    assert ending.message == {"changed_parameters": {refused.name: refused.other_name}}
    assert habits.changes_of("m-1") == (Change(refused.name, refused.other_name),)


@pytest.mark.parametrize("refused", OF_THIS_REQUEST, ids=str)
def test_what_is_refused_of_this_request_fails_the_job_and_teaches_nothing(refused: Refused) -> None:
    """Before, most of them were left out of the requests of all projects for a day."""
    habits = Habits()
    fed = play(refused, habits)
    assert isinstance(fed.outcomes[0][0], UpstreamError)
    assert len(fed.asked) == 1
    assert habits.take_new() == []


@pytest.mark.parametrize("refused", WITHOUT_EFFECT, ids=str)
def test_what_does_nothing_in_this_request_is_left_out_of_it_alone(refused: Refused) -> None:
    habits = Habits()
    fed = play(refused, habits)
    assert fed.outcomes[0][1] == "Tea."
    assert refused.name not in json.loads(fed.asked[1])
    assert habits.changes_of("m-1") == ()


@pytest.mark.parametrize(
    ("options", "words", "is_learned"),
    [
        (None, "The 'stream_options' parameter is only allowed when 'stream' is enabled.", True),
        ({"include_usage": True}, "The 'stream_options' parameter is only allowed when 'stream' is enabled.", True),
        ({"include_obfuscation": 5}, "Invalid type for 'stream_options.include_obfuscation': got an integer.", False),
        ({"a": 1}, "Unknown parameter: 'stream_options.a'.", False),
    ],
)
def test_of_stream_options_is_learned_only_what_is_refused_of_longhands_own(
    options: object, words: str, is_learned: bool
) -> None:
    """Before, one wrong field of them took the token counts from all projects."""
    habits = Habits()
    more = {} if options is None else {"stream_options": options}
    fed = play(Refused("seed", 1, openai(words), "BerriAI/litellm#5803", more=more), habits)
    assert fed.outcomes[0][1] == "Tea."
    assert "stream_options" not in json.loads(fed.asked[1])
    assert habits.changes_of("m-1") == ((Change("stream_options", None),) if is_learned else ())


def test_what_azure_refuses_beside_its_data_sources_is_known_of_no_other_request() -> None:
    habits = Habits()
    refusal = {
        "error": {"code": 400, "message": "Validation error at #/stream_options: Extra inputs are not permitted"}
    }
    azure = Refused("data_sources", [], refusal, "microsoft/semantic-kernel#10510")
    fed = play(azure, habits)
    assert fed.outcomes[0][1] == "Tea."
    assert "stream_options" not in json.loads(fed.asked[1])
    assert habits.changes_of("m-1") == ()


def read(habits: Habits, *answers: object, **body: object) -> Fed:
    """One reading: each answer is a refusal's body; then the text."""
    refusals = [[step for step in answer(400, each) if isinstance(step, bytes)] for each in answers]
    return feed(*refusals, [step for step in GOOD if isinstance(step, bytes)], body=body, habits=habits)


UNKNOWN_TIER = openai("Unknown parameter: 'service_tier'.", "service_tier", "unknown_parameter")


def test_a_price_that_one_project_did_not_care_about_is_kept_for_another() -> None:
    """Before, another project's `flex` was left out silently, and its texts cost twice as much."""
    habits = Habits()
    read(habits, UNKNOWN_TIER, service_tier="auto")
    assert habits.changes_of("m-1") == (Change("service_tier", None),)
    assert "service_tier" not in json.loads(read(habits, service_tier="default").asked[0])
    fed = read(habits, UNKNOWN_TIER, service_tier="flex")
    assert json.loads(fed.asked[0])["service_tier"] == "flex"
    assert len(fed.asked) == 1
    assert "service_tier" in str(fed.outcomes[0][0])


def test_what_is_known_of_others_parameters_does_not_count_as_tried() -> None:
    habits = Habits()
    habits.note_changes("m-1", [Change(name, None) for name in ("store", "user", "metadata", "verbosity")])
    fed = read(habits, openai("Unknown parameter: 'prompt_cache_key'."), prompt_cache_key="k")
    assert fed.outcomes[0][1] == "Tea."


def test_what_another_version_has_learned_of_a_parameter_that_stays_in_is_not_done() -> None:
    habits = Habits()
    habits.learn("m-1", "refuses:max_tokens", "max_completion_tokens")
    habits.learn("m-1", "does_not_know:temperature", None)
    assert set(json.loads(read(habits, max_tokens=5, temperature=0.1).asked[0])) >= {"max_tokens", "temperature"}


def test_the_message_says_what_was_not_sent_as_it_was_written() -> None:
    habits, settings = Habits(), {"seed": "random_seed", "user": False, "max_tokens": TOKENS}
    habits.note_changes("m-1", [Change("store", None), Change("stream_options", None), Change("metadata", None)])
    good = [step for step in GOOD if isinstance(step, bytes)]
    body = {"seed": 1, "user": "me", "max_tokens": 5, "store": True, "temperature": 1}
    ending = feed(good, body=body, habits=habits, parameters=settings).outcomes[0][0]
    assert isinstance(ending, Ending)
    changed = {"seed": "random_seed", "user": None, "max_tokens": TOKENS, "store": None}
    assert ending.message == {"changed_parameters": changed}


@pytest.mark.parametrize(
    "words", ["a, " * 30_000, "user, " * 20_000, "unknown parameter a, user" * 4_000, "user is " * 15_000]
)
def test_a_long_refusal_is_read_in_a_moment(words: str) -> None:
    """No other stream of the worker is read meanwhile."""
    began = time.process_time()
    for said in (words, f"unknown parameter {words}", f"does not support parameters: {words}"):
        find_unknown("user", None, [said])
    assert time.process_time() - began < 0.5


def test_a_failure_says_so_too() -> None:
    refusal = openai("The server does not like it.")
    error = read(Habits(), openai("Unknown parameter: 'user'."), refusal, user="me").outcomes[0][0]
    assert isinstance(error, UpstreamError)
    assert error.ending is not None
    assert error.ending.message == {"changed_parameters": {"user": None}}


def test_an_answer_to_a_request_that_was_sent_as_written_says_nothing() -> None:
    ending = read(Habits(), user="me").outcomes[0][0]
    assert isinstance(ending, Ending)
    assert ending.message is None
