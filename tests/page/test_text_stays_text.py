"""What a model writes is text, whatever it looks like."""

from typing import Any

from playwright.sync_api import expect

from longhand.client.client import Client
from tests.page.visit import Visit

HOSTILE = """# <script>alert("heading")</script>

<script>alert("block")</script>
<img src=x onerror=alert("image")> <svg onload=alert(1)><iframe src="javascript:alert(2)"></iframe>

[click](javascript:alert(3)) and [data](data:text/html,<script>alert(4)</script>) and
[spaced]( java\tscript:alert(5)) and [cased](JaVaScRiPt:alert(6)) and <javascript:alert(7)> and
[relative](/docs) and [vb](vbscript:alert(8)) and ![picture](https://example.org/pixel.png) and
[good](https://example.org/a?b=1&c=<d>) and <b onmouseover=alert(9)>bold</b>

| <script>alert(10)</script> | [x](javascript:alert(11)) |
|---|---|
| <img src=x onerror=alert(12)> | `<script>alert(13)</script>` |

```html"><script>alert(14)</script>
</code></pre><script>alert(15)</script>
```

<style>body { display: none }</style> &lt;script&gt; <!-- comment --> <meta http-equiv=refresh content=0>
"""

ELEMENTS = "script, img, svg, iframe, style, meta, object, embed, form, [onerror], [onload], [onmouseover]"


def submit(client: Client, **fields: Any) -> dict[str, Any]:
    body = {"model": "m", "messages": [{"role": "user", "content": HOSTILE}], "simulate": {"text": HOSTILE}}
    return client.submit_job({**body, **fields})


def test_script_in_an_answer_is_shown_and_never_run(visit: Visit, client: Client) -> None:
    job = submit(client, custom_id="<img src=x onerror=alert(0)>", metadata={"<script>": "<script>alert(1)</script>"})
    visit.go(f"#/jobs/{job['id']}")
    expect(visit.page.locator(".state .mark")).to_have_text("✓ saved")
    article = visit.page.locator(".article")
    for shown in (
        '<script>alert("block")</script>',
        "<img src=x onerror=",
        "<style>body",
        "<script> <!-- comment -->",  # written as &lt;script&gt;
    ):
        expect(article).to_contain_text(shown)
    expect(visit.page.locator("h1")).to_have_text("<img src=x onerror=alert(0)>")
    assert article.locator(ELEMENTS).count() == 0
    links = article.locator("a").evaluate_all("(all) => all.map((a) => [a.getAttribute('href'), a.rel, a.target])")
    kind = ["noopener noreferrer nofollow", "_blank"]
    assert links == [["https://example.org/pixel.png", *kind], ["https://example.org/a?b=1&c=%3Cd%3E", *kind]]
    assert visit.page.evaluate("getComputedStyle(document.body).display") != "none"
    visit.assert_clean()


def test_script_in_an_answer_is_shown_on_cards_and_in_search_as_text(visit: Visit, client: Client) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "simulate": {"text": "searchme " + HOSTILE}}
    batch = client.submit_batch(
        {"requests": [{"custom_id": "<b>x</b>", "body": body}], "metadata": {"title": "<i>t</i>"}}
    )
    visit.go(f"#/batches/{batch['id']}")
    visit.heading("<i>t</i>")
    expect(visit.page.locator(".card .mark")).to_have_text("✓ saved")
    expect(visit.page.locator(".card-text")).to_contain_text('<script>alert("block")</script>')
    visit.go("#/search?q=searchme")
    expect(visit.page.locator(".snippet mark")).to_have_text("searchme")
    expect(visit.page.locator(".snippet")).to_contain_text('<script>alert("heading")</script>')
    visit.go("#/search?q=" + "%3Cimg src=x onerror=alert(1)%3E")
    visit.heading("Search: “<img src=x onerror=alert(1)>”")
    assert visit.page.locator("main img, main script").count() == 0


def test_the_browser_itself_would_refuse_to_read_text_as_html(visit: Visit) -> None:
    visit.go("")
    visit.heading("All work")
    refused = """() => { try { document.body.innerHTML = "<b>x</b>"; return false; } catch { return true; } }"""
    with visit.page.expect_console_message():  # where the refusal is told
        assert visit.page.evaluate(refused)
    visit.complaints.clear()


def test_the_words_around_a_hit_are_shown_as_they_are_read(visit: Visit, client: Client) -> None:
    text = "The history of *bohea* and of [**its**](https://example.org/a_(b)) trade, snake_case and 2 * 3 * 4."
    client.submit_job({"model": "m", "messages": [{"role": "user", "content": "x"}], "simulate": {"text": text}})
    visit.go("")
    whole = "/v1/jobs?q=bohea&status=completed"
    visit.wait_for("(url) => fetch(url).then((answer) => answer.json()).then((page) => page.data.length)", whole)
    visit.go("#/search?q=bohea")
    shown = "The history of bohea and of its trade, snake_case and 2 * 3 * 4."
    expect(visit.page.locator(".snippet")).to_have_text(shown)
    expect(visit.page.locator(".snippet mark")).to_have_text("bohea")
