"""The line of every key in a TOML file, whatever way it is written in."""

import tomllib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.upstreams.lines import Place, find_lines

TEXT = '''\
# a comment with [brackets] = "x"
[[upstream]]
name = "a # no comment"
models = [ "x",
  # between
  'y', """z
]""" ,
]
"quoted \\u0041 key".deeper = { in.line = 1, second = "}" }
[upstream.headers]
api-key = \'\'\'
[[upstream]]
\'\'\'
[[upstream]]
name = "b"
when = 1979-05-27 07:32:00  # now
  [[upstream.sub]]
  x = """two\\"""quotes"""""
[project]
1.2 = true
'''


def places_of(value: object, place: Place = ()) -> Iterator[tuple[Place, object]]:
    """Every table, array element and value."""
    if place:
        yield place, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places_of(item, (*place, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from places_of(item, (*place, number))


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_every_key_and_element_has_the_line_on_which_it_begins(line_end: str) -> None:
    text = TEXT.replace("\n", line_end)
    lines = find_lines(text)
    assert set(lines) == {place for place, _ in places_of(tomllib.loads(text))}
    assert {place: lines[place] for place in lines if place[0] == "upstream"} == {
        ("upstream",): 2,
        ("upstream", 0): 2,
        ("upstream", 0, "name"): 3,
        ("upstream", 0, "models"): 4,
        ("upstream", 0, "models", 0): 4,
        ("upstream", 0, "models", 1): 6,
        ("upstream", 0, "models", 2): 6,
        ("upstream", 0, "quoted A key"): 9,
        ("upstream", 0, "quoted A key", "deeper"): 9,
        ("upstream", 0, "quoted A key", "deeper", "in"): 9,
        ("upstream", 0, "quoted A key", "deeper", "in", "line"): 9,
        ("upstream", 0, "quoted A key", "deeper", "second"): 9,
        ("upstream", 0, "headers"): 10,
        ("upstream", 0, "headers", "api-key"): 11,
        ("upstream", 1): 14,
        ("upstream", 1, "name"): 15,
        ("upstream", 1, "when"): 16,
        ("upstream", 1, "sub"): 17,
        ("upstream", 1, "sub", 0): 17,
        ("upstream", 1, "sub", 0, "x"): 18,
    }
    assert (lines[("project",)], lines[("project", "1", "2")]) == (19, 20)


KEYS = st.sampled_from(["a", "b", "c-d", '"e f"', "'g.h'", '"\\u00e9"', '""', "1"])
DOTTED = st.lists(KEYS, min_size=1, max_size=3).map(" . ".join)
SCALARS = st.sampled_from(
    [
        *("1", "-0.5e3", "true", "1979-05-27 07:32:00Z", '"x"', '"\\"]}#"', "'\\'", '""', "''", '""""""', "''''''"),
        *('"""a\n"b""]"""', "'''\n'x'''''", '"""\\\n  \\""""', '"""""a"""""', "inf", "0xf"),
    ]
)
BETWEEN = st.sampled_from(["", " ", "\n", " # ], }\n", "\n\n"])


@st.composite
def arrays(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    """An array over several lines."""
    items = draw(st.lists(values, max_size=3))
    text = "[" + draw(BETWEEN)
    for item in items:
        text += item + draw(BETWEEN) + "," + draw(BETWEEN)
    return text + "]"


def inline_tables(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """An inline table, on one line but for the values in it."""
    pair = st.tuples(DOTTED, values).map(lambda both: f"{both[0]} = {both[1]}")
    return st.lists(pair, max_size=3).map(lambda pairs: "{ " + ", ".join(pairs) + " }")


VALUES = st.recursive(SCALARS, lambda inner: arrays(inner) | inline_tables(inner), max_leaves=6)
STATEMENTS = st.one_of(
    st.tuples(DOTTED, VALUES).map(lambda both: f"{both[0]} = {both[1]}"),
    DOTTED.map(lambda key: f"[{key}]"),
    DOTTED.map(lambda key: f"[[ {key} ]] # end"),
    st.sampled_from(["", "# a comment"]),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(STATEMENTS, max_size=8))
def test_the_places_found_are_those_that_python_reads(statements: list[str]) -> None:
    kept: list[str] = []
    for statement in statements:  # of what contradicts what stands before it, nothing is kept
        try:
            tomllib.loads("\n".join([*kept, statement]))
        except tomllib.TOMLDecodeError:
            continue
        kept.append(statement)
    text = "\n".join(kept)
    lines = find_lines(text)
    assert set(lines) == {place for place, _ in places_of(tomllib.loads(text))}
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())
