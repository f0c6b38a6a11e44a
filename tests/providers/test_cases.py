"""Every case is read as it is meant."""

import pytest

from tests.providers import (
    cases_credit,
    cases_cumulative,
    cases_ends,
    cases_error_bodies,
    cases_errors,
    cases_framing,
    cases_gateways,
    cases_limits,
    cases_reasoning,
    cases_reasons,
    cases_requests,
    cases_side_fields,
    cases_tool_call_ends,
    cases_tool_calls,
    cases_usage,
    cases_waits,
)
from tests.providers.case import Case
from tests.providers.judging import judge

MODULES = (
    cases_ends,
    cases_reasons,
    cases_side_fields,
    cases_tool_calls,
    cases_tool_call_ends,
    cases_gateways,
    cases_framing,
    cases_cumulative,
    cases_errors,
    cases_error_bodies,
    cases_credit,
    cases_limits,
    cases_waits,
    cases_reasoning,
    cases_usage,
    cases_requests,
)
CASES: list[Case] = [each for module in MODULES for each in module.CASES]


@pytest.mark.parametrize("case", [pytest.param(each, id=f"{each.kind}-{each.name}") for each in CASES])
def test_an_answer_is_read_as_it_is_meant(case: Case) -> None:
    judge(case)


def test_every_case_has_a_name_of_its_own_and_a_source() -> None:
    names = [(each.kind, each.name) for each in CASES]
    assert len(names) == len(set(names))
    assert all(each.source for each in CASES)
