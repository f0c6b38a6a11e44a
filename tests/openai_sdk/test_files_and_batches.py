"""Files and batches, driven by the official SDK in three major versions, with both of its clients."""

import json

import pytest

from tests.openai_sdk.conftest import Sdk

pytestmark = pytest.mark.races

SCENARIOS = (
    "a_batch_runs_to_its_end",
    "a_batch_without_failures_has_no_error_file",
    "a_bad_file_fails_with_its_lines",
    "a_cancelled_batch_keeps_what_was_finished",
    "an_expired_batch_keeps_what_was_finished",
    "files_and_batches_are_listed_in_pages",
    "a_file_is_deleted_and_refusals_are_typed",
)


@pytest.fixture(scope="module")
def outcomes(sdk: Sdk, api_url: str) -> dict[str, dict[str, str]]:
    """What became of each scenario with both clients of one version: nothing to say, or a traceback."""
    told = json.loads(sdk.run("scenario_files.py", api_url))
    assert told["version"] == sdk.version
    outcomes: dict[str, dict[str, str]] = told["outcomes"]
    assert outcomes["sync"].keys() == outcomes["async"].keys() == set(SCENARIOS)
    return outcomes


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_sdk_finds_what_it_knows(outcomes: dict[str, dict[str, str]], kind: str, scenario: str) -> None:
    assert not outcomes[kind][scenario], outcomes[kind][scenario]
