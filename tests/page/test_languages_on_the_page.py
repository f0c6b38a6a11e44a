"""The page in the reader's language: chosen by the browser, changed in the masthead, the same for everything said."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from longhand.client.client import Client
from tests.page.visit import Visit
from tests.stack.running_up import Up


@pytest.fixture(scope="module")
def chinese_window(browser: Browser, up: Up) -> Iterator[Visit]:
    with Visit.open(browser, up.url, locale="zh-Hant-HK") as opened:
        yield opened


@pytest.fixture
def chinese(chinese_window: Visit) -> Iterator[Visit]:
    """Someone who visits the page with a browser that speaks Chinese."""
    yield from chinese_window.anew()


# Which language is which is tested without a browser, in `units/early.test.js`.
def test_the_page_speaks_the_language_of_the_browser_and_reads_no_other_catalogue(chinese: Visit) -> None:
    chinese.go("")
    chinese.heading("全部内容")
    expect(chinese.page.locator("html")).to_have_attribute("lang", "zh-CN")
    assert any("/words_zh" in url for url in chinese.requested)
    # The server's sentences are known by their English.
    english = {url.rpartition("/")[2] for url in chinese.requested if "/words_en" in url}
    assert english == {"words_en_told.js"}


def test_the_page_speaks_english_where_it_does_not_know_the_language(browser: Browser, up: Up) -> None:
    with Visit.open(browser, up.url, locale="fr-FR") as visit:
        visit.go("")
        visit.heading("All work")
        expect(visit.page.locator("html")).to_have_attribute("lang", "en")
        visit.assert_clean()


def test_a_language_that_was_chosen_is_kept_and_so_is_the_place(visit: Visit) -> None:
    visit.go("#/new")
    visit.heading("New articles")
    visit.page.get_by_label("Prompt", exact=True).fill("tea")
    visit.page.get_by_label("Language of the page").select_option("简体中文")
    visit.heading("新建文章")
    expect(visit.page).to_have_title("新建 · Longhand")
    expect(visit.page.get_by_label("提示词", exact=True)).to_have_value("tea")
    visit.go("")
    visit.page.reload()
    visit.heading("全部内容")
    visit.page.get_by_label("页面语言").select_option("English")
    visit.heading("All work")


def test_times_and_numbers_are_chinese_on_a_chinese_page(chinese: Visit, client: Client) -> None:
    words = "".join(
        f"龙井茶{chr(0x4E00 + place)}，" for place in range(300)
    )  # no two alike, which would be cut as a loop
    orders = {"text": words, "deltas_per_second": 500}
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "simulate": orders}
    job = client.submit_job(body)
    list(client.watch(job["id"]))
    chinese.go(f"#/jobs/{job['id']}")
    expect(chinese.page.locator(".live")).to_contain_text("1,200 字")
    expect(chinese.page.locator(".live")).to_contain_text("秒")
    moment = chinese.page.locator("time").first
    expect(moment).to_have_attribute("title", re.compile("年.*月.*日"))


def test_a_refusal_is_told_in_the_readers_language_with_the_servers_words_folded(chinese: Visit) -> None:
    chinese.refused = {404}
    chinese.go("#/jobs/job_0")
    alert = chinese.page.get_by_role("alert")
    expect(alert.locator("> p").first).to_have_text("没有这个编号对应的内容。")
    expect(alert.get_by_text("no job has the id")).to_be_hidden()
    expect(chinese.page.locator(":is(.badge, .actions):visible")).to_have_count(0)
    alert.get_by_text("详细信息").click()
    expect(alert.get_by_text("no job has the id")).to_be_visible()
