"""The page's reading of Markdown, as elements, and the same for a text that grows."""

import json
from collections.abc import Iterator
from itertools import pairwise

import pytest
from playwright.sync_api import Browser, Page

from tests.page.test_commonmark_on_the_page import EXAMPLES
from tests.page.visit import Visit
from tests.stack.running_up import Up

_SHOW = """async (text) => {
  const { Markdown } = await import("/page/markdown.js");
  const shown = new Markdown();
  shown.show(text);
  return shown.node.innerHTML;
}"""
# The text cut at every place, shown to one and the same element, against each of the beginnings shown to a new one.
_GROW = """async (texts) => {
  const { Markdown } = await import("/page/markdown.js");
  for (const text of texts) {
    const growing = new Markdown();
    for (let end = 0; end <= text.length; end += 1) {
      growing.show(text.slice(0, end));
      const whole = new Markdown();
      whole.show(text.slice(0, end));
      const [one, other] = [growing.node.innerHTML, whole.node.innerHTML];
      if (one !== other) return [text.slice(0, end), one, other];
    }
  }
  return null;
}"""
# Which nodes are still the same, where a text goes on in a place that is open.
_KEPT = """async ([text, more, selector]) => {
  const { Markdown } = await import("/page/markdown.js");
  const growing = new Markdown();
  growing.show(text);
  const before = [...growing.node.querySelectorAll(selector)];
  growing.show(text + more);
  const after = [...growing.node.querySelectorAll(selector)];
  return [before.length, before.filter((node, place) => node === after[place]).length];
}"""

CASES = {
    "# One\n## Two ##\nThree\n===": "<h2>One</h2><h3>Two</h3><h2>Three</h2>",
    "one\ntwo\n\nthree": "<p>one\ntwo</p><p>three</p>",
    "one  \ntwo\\\nthree": "<p>one<br>two<br>three</p>",
    "*a* **b** ***c*** _d_ __e__ ~~f~~": "<p><em>a</em> <strong>b</strong> <em><strong>c</strong></em> <em>d</em> "
    "<strong>e</strong> <del>f</del></p>",
    "snake_case_word 2*3*4 a * b *": "<p>snake_case_word 2<em>3</em>4 a * b *</p>",
    "**“词”**是": "<p><strong>“词”</strong>是</p>",
    "`a *b*` ``c ` d`` `open": "<p><code>a *b*</code> <code>c ` d</code> `open</p>",
    r"\*a\* \# \q": r"<p>*a* # \q</p>",
    "- a\n- b\n  - c\n- d": "<ul><li><span>a</span></li><li><span>b</span><ul><li><span>c</span></li></ul></li>"
    "<li><span>d</span></li></ul>",
    "3. a\n4. b": '<ol start="3"><li><span>a</span></li><li><span>b</span></li></ol>',
    "- a\n\n- b": "<ul><li><p>a</p></li><li><p>b</p></li></ul>",
    "Born in\n1984. A year": "<p>Born in\n1984. A year</p>",
    "> a\nb\n\nc": "<blockquote><p>a\nb</p></blockquote><p>c</p>",
    "---\n***": "<hr><hr>",
    "~~~\na *b*\n<i>\n~~~\nc": '<pre tabindex="0" aria-label="Code"><code>a *b*\n&lt;i&gt;</code></pre><p>c</p>',
    "| a | b |\n|---|--:|\n| 1 | 2 \\| 3 |": '<div class="wide" tabindex="0" role="region" aria-label="Table"><table>'
    '<thead><tr><th scope="col">a</th><th class="to-right" scope="col">b</th></tr></thead>'
    '<tbody><tr><td>1</td><td class="to-right">2 | 3</td></tr></tbody></table></div>',
    "<b>x</b> &lt;i&gt; &copy;": "<p>&lt;b&gt;x&lt;/b&gt; &lt;i&gt; ©</p>",
    "- [ ] a\n- [x] b\n- [y] c": "<ul><li><span>☐ a</span></li><li><span>☑ b</span></li>"
    "<li><span>[y] c</span></li></ul>",
    "[a][b] [c]\n\n[b]: https://b.example/ 'd'\n[e]: /f": '<p><a href="https://b.example/" title="d" '
    'rel="noopener noreferrer nofollow" target="_blank">a</a> [c]</p>',
    "![a *b*](https://b.example/c.png)": '<p><a href="https://b.example/c.png" rel="noopener noreferrer nofollow" '
    'target="_blank">image: a b</a></p>',
}

LATE = "[a] [b][c] *[d]*\n\nx\n\n[a]: https://a.example\n'title\nof a'\n[c]: /c\n[a]: /second\n\n[d]:\n/d"
"""Links that are defined below where they stand, over several lines."""


@pytest.fixture(scope="module")
def page(browser: Browser, up: Up) -> Iterator[Page]:
    """One page for all: the texts are shown beside what it shows, and none is there for the next."""
    with Visit.open(browser, up.url) as visit:
        visit.go("")
        visit.heading("All work")
        yield visit.page
        visit.assert_clean()


@pytest.mark.parametrize("text", CASES)
def test_markdown_is_read_as_elements(page: Page, text: str) -> None:
    assert page.evaluate(_SHOW, text) == CASES[text]


def test_a_text_that_grows_is_at_every_place_what_it_would_be_at_once(page: Page) -> None:
    cases = "\n\n".join(CASES)
    texts = [f"{cases}\n" + "\n".join(CASES), "x\n|a|b|\n|-|-|x\n\n- a\n\n  b\n1. c", f"{LATE}\n\ny\n\n{LATE}"]
    assert page.evaluate(_GROW, texts) is None


def test_the_specification_grows_as_well(page: Page) -> None:
    # Each before one that it may run into, with a definition at the end that may be for either.
    texts = [f"{one['markdown']}\n{other['markdown']}\n[foo]: /late" for one, other in pairwise(EXAMPLES[::3])]
    assert page.evaluate(_GROW, texts) is None


@pytest.mark.parametrize(
    ("text", "more", "selector"),
    [
        ("- a\n- b", "c\n- d", "li"),
        ("```\na\nb", "\nc", "code"),
        ("a\n\nb *c*", " d\n\ne", "p, em"),
        ("|a|\n|-|\n|b|\n", "|c|", "td"),
    ],
)
def test_what_only_grows_is_not_built_anew(page: Page, text: str, more: str, selector: str) -> None:
    before, kept = page.evaluate(_KEPT, [text, more, selector])
    assert before == kept > 0


def test_only_safe_links_become_links(page: Page) -> None:
    text = "[a](https://a.example/x) <https://b.example> https://c.example/d. [m](mailto:a@b.example)"
    text += " [n](javascript:x) [o](#/x)"
    shown = page.evaluate(
        _SHOW.replace("shown.node.innerHTML", "[...shown.node.querySelectorAll('a')].map((a) => a.href)"), text
    )
    assert shown == ["https://a.example/x", "https://b.example/", "https://c.example/d", "mailto:a@b.example"]


@pytest.mark.parametrize(
    "piece", ["*a ", "[", "`" * 3 + "a`", "> ", "- ", "![", "_a*b", "|a", "](", "<http://", "1. ", "# "]
)
def test_no_text_takes_long_to_read(page: Page, piece: str) -> None:
    took = """async (text) => {
      const { Markdown } = await import("/page/markdown.js");
      const began = performance.now();
      new Markdown().show(text);
      return performance.now() - began;
    }"""
    text = json.dumps(piece)[1:-1] * (60_000 // len(piece))
    # A hundred times of what it takes; what grows without bounds takes minutes.
    assert page.evaluate(took, text) < 5000
    assert page.evaluate(took, "\n".join([piece * 20] * 2000)) < 5000
