"""The models of several upstreams make one list, under the names that jobs give them."""

from collections.abc import Mapping
from typing import Any

import pytest

from api.model_lists.model_lists import find_items, merge
from jobs.upstreams import UpstreamSpec


def spec_of(name: str, **given: Any) -> UpstreamSpec:
    """An upstream that nobody asks."""
    return UpstreamSpec(name=name, url=f"http://{name}.example/v1", **given)


def ids_of(*lists: tuple[UpstreamSpec, list[str]]) -> list[str]:
    """The names in the list that is made of these."""
    merged = merge((spec, [{"id": name} for name in names]) for spec, names in lists)
    return [item["id"] for item in merged["data"]]


@pytest.mark.parametrize(
    "answer",
    [
        {"object": "list", "data": [{"id": "a"}, {"id": "b"}]},
        {"models": [{"name": "a"}, {"model": "b"}]},
        [{"id": "a"}, {"id": "b"}],
        ["a", "b"],
        {"data": None, "models": [{"id": "a"}, 7, {"id": ""}, {"id": ["x"]}, {"id": "b"}]},
    ],
)
def test_every_known_form_of_a_list_is_read(answer: object) -> None:
    assert [item["id"] for item in find_items(answer) or []] == ["a", "b"]


@pytest.mark.parametrize("answer", [None, 7, "a", {}, {"data": {}}, [7], {"data": [{"x": 1}]}, {"id": "a"}])
def test_what_is_no_list_is_none(answer: object) -> None:
    assert find_items(answer) is None


def test_an_empty_list_is_a_list() -> None:
    assert find_items([]) == []
    assert find_items({"data": []}) == []


def test_only_what_the_patterns_take_is_listed_and_the_lowest_tier_describes_it() -> None:
    cheap, dear = spec_of("cheap", models=("gpt-*",), tier=0), spec_of("dear", tier=1)
    items: list[tuple[UpstreamSpec, list[dict[str, Any]]]] = [
        (dear, [{"id": "gpt-4", "owned_by": "dear"}, {"id": "o3"}]),
        (cheap, [{"id": "gpt-4", "owned_by": "cheap"}, {"id": "whisper"}]),
    ]
    merged: Mapping[str, Any] = merge(items)
    assert merged == {"object": "list", "data": [{"id": "gpt-4", "owned_by": "cheap"}, {"id": "o3"}]}


def test_a_renamed_model_is_listed_under_the_name_that_jobs_give_it() -> None:
    spec = spec_of("one", rename={"gpt-4.1": "openai/gpt-4.1", "big": "openai/gpt-4.1"})
    assert ids_of((spec, ["openai/gpt-4.1", "other"])) == ["gpt-4.1", "big", "openai/gpt-4.1", "other"]
    # The upstream's own "gpt-4.1" is another one, which no job can reach.
    assert ids_of((spec, ["gpt-4.1"])) == ["gpt-4.1", "big"]
    assert merge([(spec, [{"id": "gpt-4.1"}])])["data"][0]["owned_by"] == "one"


def test_what_the_file_names_in_full_is_listed_though_the_upstream_has_no_list() -> None:
    assert ids_of((spec_of("azure", models=("gpt-4o", "o*", "gpt-4.?")), [])) == ["gpt-4o"]
