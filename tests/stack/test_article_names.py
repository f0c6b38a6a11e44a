"""What files of articles are called."""

import pytest

from jobs.model.article_names import heading_of, safe_name


@pytest.mark.parametrize(
    ("text", "heading"),
    [
        ("# Tea\n", "Tea"),
        ("\n  ### Tea  ##  \nx", "Tea"),
        ("# Tea", ""),  # it may go on
        ("    # code\n#tag\n####### seven\n## Rain\n", "Rain"),
        ("x" * 2000 + "\n# Tea\n", ""),
    ],
)
def test_a_heading_is_found_as_the_page_finds_it(text: str, heading: str) -> None:
    assert heading_of(text) == heading


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("bees", "bees"),
        ("../../x", "x"),
        ("a/b\\c:d*e", "a-b-c-d-e"),
        (".hidden", "hidden"),
        ("养蜂 指南", "养蜂-指南"),
        ("चाय की कहानी", "चाय-की-कहानी"),
        ("น้ำชา", "น้ำชา"),
        ("a--b", "a--b"),
        ("\x00\n", "article"),
        ("蜂" * 100, "蜂" * 26),
        ("a.partial", "a-partial"),  # only an incomplete text is called so
        ("b.Partial.", "b-Partial"),
        ("c" * 72 + ".partially", "c" * 72 + "-partial"),
        ("d.partial.x", "d.partial.x"),
    ],
)
def test_a_custom_id_makes_a_safe_file_name(name: str, safe: str) -> None:
    assert safe_name(name) == safe
