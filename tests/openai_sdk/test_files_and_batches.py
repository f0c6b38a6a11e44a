"""Files and batches, driven by the official SDK in three major versions, with both of its clients."""

import json

import pytest

from tests.openai_sdk.conftest import Sdk

pytestmark = pytest.mark.races

SCENARIOS = {
    "a_batch_runs_to_its_end",
    "a_batch_without_failures_has_no_error_file",
    "a_bad_file_fails_with_its_lines",
    "a_cancelled_batch_keeps_what_was_finished",
    "an_expired_batch_keeps_what_was_finished",
    "files_and_batches_are_listed_in_pages",
    "a_file_is_deleted_and_refusals_are_typed",
}


def test_the_sdk_finds_what_it_knows(sdk: Sdk, api_url: str) -> None:
    """All scenarios of one version in one test: each worker of pytest that had some of them ran all of them."""
    told = json.loads(sdk.run("scenario_files.py", api_url))
    assert told["version"] == sdk.version
    assert told["outcomes"].keys() == {"sync", "async"}
    for kind, outcomes in told["outcomes"].items():
        assert outcomes.keys() == SCENARIOS, kind
        wrong = {scenario: why for scenario, why in outcomes.items() if why}
        assert not wrong, "\n".join(f"{kind} {scenario}:\n{why}" for scenario, why in wrong.items())
