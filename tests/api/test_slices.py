"""Cutting a JSON text into its parts: what is cut out is what a decoder finds, whatever is inside."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.submitting.slices import MOST_VALUES, Slices, TooManyValuesError, require_few_values

PLENTY = 1_000_000
texts = st.text(st.sampled_from('ab,[]{}:"\\\n é\u2028😀'), max_size=30)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
spacing = st.sampled_from([None, 1, "\t"])


@given(st.lists(values, max_size=6), spacing, st.booleans())
def test_the_items_of_a_list_are_what_a_decoder_finds(items: list[Any], indent: Any, ascii_only: bool) -> None:
    slices = Slices(json.dumps(items, indent=indent, ensure_ascii=ascii_only).encode(), PLENTY)
    assert [json.loads(bytes(item)) for item in slices.items()] == items
    slices.require_end()


@given(st.dictionaries(texts, values, max_size=6), spacing, st.booleans())
def test_the_fields_of_an_object_are_what_a_decoder_finds(
    fields: dict[str, Any], indent: Any, ascii_only: bool
) -> None:
    slices = Slices(json.dumps(fields, indent=indent, ensure_ascii=ascii_only).encode(), PLENTY)
    assert {name: json.loads(bytes(slices.value())) for name in slices.fields()} == fields
    slices.require_end()


@given(st.lists(values, max_size=4), st.data())
def test_what_is_broken_off_is_never_taken_for_whole(items: list[Any], data: st.DataObject) -> None:
    whole = json.dumps(items).encode()
    broken = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(ValueError, match=r"is missing|in the middle"):
        list(Slices(broken, PLENTY).items())


@given(st.binary(max_size=60))
def test_no_bytes_do_more_than_be_refused(noise: bytes) -> None:
    slices = Slices(b"[" + noise, PLENTY)
    with suppress(ValueError):
        list(slices.items())


@pytest.mark.parametrize("text", ["a" * 600_000, '\\"' * 300_000, "\\\\" * 300_000, ",é[" * 200_000])
def test_a_string_of_any_length_is_one_value(text: str) -> None:
    body = b'["' + text.encode() + b'", 1]'
    assert [bytes(item) for item in Slices(body, 3).items()] == [b'"' + text.encode() + b'"', b" 1"]
    require_few_values(body)


def test_no_more_values_are_passed_than_allowed() -> None:
    for few in (b"[" + b"1," * (MOST_VALUES - 1) + b"1]", b"[" * MOST_VALUES, b'["' + b"," * 2 * MOST_VALUES + b'"]'):
        require_few_values(few)
    for many in (b"[" + b"1," * MOST_VALUES + b"1]", b"[" * (MOST_VALUES + 1), b"{}," * MOST_VALUES):
        with pytest.raises(TooManyValuesError):
            require_few_values(many)
    for body in (b"[[],[],[]]", b'[{"a": 1, "b": 2}]', b"[[[["):
        with pytest.raises(TooManyValuesError):
            list(Slices(body, 1).items())
