"""The page's Markdown against every example of the CommonMark specification."""

import json
import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from tests.page.visit import Visit

FOLDER = Path(__file__).parent / "commonmark"
EXAMPLES: list[dict[str, str]] = json.loads((FOLDER / "spec_0_31_2.json").read_text())

RAW_HTML = frozenset(
    {21, 31, *range(148, 192), 201, 308, 309, 344, 475, 476, 477, 491, 494, 524, 536, *range(613, 618)}
    | {623, *range(625, 632), 642, 643}
)
"""On purpose: HTML is not read. It is shown as the text that it is, and what looks like Markdown in it is Markdown."""

BARE_ADDRESSES = frozenset({602, 608, 611})
"""On purpose: a bare web address is a link, as in GitHub's Markdown."""

PLAIN = frozenset({"p", "pre", "em", "strong", "code", "br", "hr", "link", "ul", "li", "blockquote", "h2", "h3"})

_SCRIPT = (FOLDER / "trees.js").read_text().replace("export ", "")
_BUILT = f"""async (texts) => {{
  {_SCRIPT}
  const {{ Markdown }} = await import("/page/markdown.js");
  return texts.map((text) => {{
    const shown = new Markdown();
    shown.show(text);
    return [treeOfPage(shown.node), shown.node.textContent];
  }});
}}"""
_EXPECTED = f"""(all) => {{
  {_SCRIPT}
  return all.map((html) => treeOfSpec(new DOMParser().parseFromString(html, "text/html").body));
}}"""


def built(visit: Visit, texts: list[str]) -> list[tuple[Any, str]]:
    visit.go("")
    visit.heading("All work")
    trees: list[tuple[Any, str]] = visit.page.evaluate(_BUILT, texts)
    return trees


def test_every_example_gives_the_expected_elements(visit: Visit, browser: Browser) -> None:
    found = built(visit, [example["markdown"] for example in EXAMPLES])
    free = browser.new_page()  # our own page's policy lets nobody read HTML, not even a test
    try:
        expected = free.evaluate(_EXPECTED, [example["html"] for example in EXAMPLES])
    finally:
        free.close()
    different = {
        number: (EXAMPLES[number - 1]["markdown"], tree, wanted)
        for number, ((tree, _), wanted) in enumerate(zip(found, expected, strict=True), 1)
        if tree != wanted and number not in RAW_HTML | BARE_ADDRESSES
    }
    assert different == {}


def test_html_is_shown_as_text(visit: Visit) -> None:
    texts = [EXAMPLES[number - 1]["markdown"] for number in sorted(RAW_HTML)]
    for text, (tree, shown) in zip(texts, built(visit, texts), strict=True):
        assert elements(tree) <= PLAIN, text
        for mark in re.findall(r"</?[a-z][\w-]*|<!--|<\?|<!\[CDATA", text, re.IGNORECASE):
            assert mark in shown, text


def elements(tree: list[Any]) -> set[str]:
    """The names of all elements in a tree."""
    if tree and isinstance(tree[0], str):
        return {tree[0]}.union(*(elements(child) for child in tree[1:] if isinstance(child, list)))
    return set[str]().union(*(elements(child) for child in tree if isinstance(child, list)))
