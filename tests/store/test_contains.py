"""A long text is looked through in slices, and what is found is what a look at the whole text finds."""

import sys
import threading
from time import monotonic, sleep

import pytest
from hypothesis import given
from hypothesis import strategies as st

import jobs.store.contains
from jobs.store.contains import contains, folded

HARD = "aAΣσς'. İıiI\u0307ẞßéÉ名😀K\u212a\u00ad"
"""Sigmas and what decides their form, letters whose lower case is longer or elsewhere, and all lengths in UTF-8."""

texts = st.text(st.sampled_from(HARD) | st.characters(exclude_categories=["Cs"]), max_size=60)


@given(texts, texts, st.integers(4, 40), st.data())
def test_slices_find_what_the_whole_text_has(text: str, other: str, size: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    some = text[start : start + data.draw(st.integers(0, 12))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs.store.contains, "_SLICE_BYTES", size)
        for wanted in (some, some.upper(), some.lower(), other, other[:2], other[:1]):
            whole = folded(wanted) in folded(text)
            assert contains(text.encode(), folded(wanted)) == whole
            assert whole or wanted.lower() not in text.lower()


@given(texts, texts)
def test_only_the_form_of_a_sigma_depends_on_its_neighbours(one: str, other: str) -> None:
    assert folded(one + other) == folded(one) + folded(other)


@pytest.mark.parametrize("unit", ["the quick brown fox ", "the quick fox 😀 ", "名字和文章", "ΟΔΟΣ' "])
def test_other_threads_run_while_a_very_long_text_is_looked_through(unit: str) -> None:
    """One call of `lower()` kept the interpreter for up to 0.5 s, and each request waited for it several times."""
    text = (unit * (16_000_000 // len(unit.encode()))).encode()
    found: list[bool] = []
    looking = threading.Thread(target=lambda: found.append(contains(text, folded("No Such Word"))))
    usual = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)  # as the API has it
    try:
        looking.start()
        turns, until = 0, monotonic() + 60
        while looking.is_alive() and monotonic() < until:
            sleep(0)
            turns += 1
    finally:
        sys.setswitchinterval(usual)
    assert found == [False]
    assert turns > 100
