"""However the bytes of an answer are cut, it is read as it is meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.providers.case import Case
from tests.providers.feeding import cut, feed
from tests.providers.judging import judge_reading
from tests.providers.test_cases import CASES
from tests.upstream.scripted_upstream import Cut


def wires_of(case: Case) -> list[bytes] | None:
    """The bytes of each answer; None when the case is about time."""
    wires = []
    for script in case.scripts:
        steps = [step for step in script if not isinstance(step, Cut)]
        if not all(isinstance(step, bytes) for step in steps):
            return None
        wires.append(b"".join(step for step in steps if isinstance(step, bytes)))
    return wires


CUTTABLE = [each for each in CASES if wires_of(each) is not None and not each.models]


def read_cut(case: Case, places: list[int]) -> None:
    answers = [cut(wire, places) for wire in wires_of(case) or []]
    fed = feed(*answers, readings=len(case.rights), body=case.body, **case.options)
    for (found, text), right in zip(fed.outcomes, case.rights, strict=True):
        judge_reading(found, text, right)
    assert len(fed.asked) == (case.calls or len(case.rights))


@pytest.mark.parametrize("case", [pytest.param(each, id=f"{each.kind}-{each.name}") for each in CUTTABLE])
def test_an_answer_that_comes_byte_by_byte_is_read_as_it_is_meant(case: Case) -> None:
    read_cut(case, list(range(10_000)))


@given(case=st.sampled_from(CUTTABLE), places=st.lists(st.integers(0, 5000), max_size=12))
def test_an_answer_is_read_as_it_is_meant_however_it_is_cut(case: Case, places: list[int]) -> None:
    read_cut(case, places)
