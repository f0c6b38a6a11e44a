"""The page in the reader's language: chosen by the browser, changed in the masthead, the same for everything said."""

import re

import pytest
from playwright.sync_api import Browser, expect

from longhand.client.client import Client
from tests.page.visit import Visit
from tests.stack.running_up import Up

HEADINGS = {"en": "All work", "zh-CN": "全部内容"}


# Which language is which is tested without a browser, in `units/early.test.js`.
@pytest.mark.parametrize(("locale", "language"), [("zh-Hant-HK", "zh-CN"), ("fr-FR", "en")])
def test_the_page_speaks_the_language_of_the_browser(browser: Browser, up: Up, locale: str, language: str) -> None:
    with Visit.open(browser, up.url, locale=locale) as visit:
        visit.go("")
        visit.heading(HEADINGS[language])
        expect(visit.page.locator("html")).to_have_attribute("lang", language)
        visit.assert_clean()


def test_only_the_catalogue_of_the_language_is_read(browser: Browser, up: Up) -> None:
    with Visit.open(browser, up.url, locale="zh-CN") as visit:
        visit.go("")
        visit.heading("全部内容")
        assert any("/words_zh" in url for url in visit.requested)
        # The server's sentences are known by their English.
        english = {url.rpartition("/")[2] for url in visit.requested if "/words_en" in url}
        assert english == {"words_en_told.js"}


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


def test_times_and_numbers_are_chinese_on_a_chinese_page(browser: Browser, up: Up, client: Client) -> None:
    words = "".join(
        f"龙井茶{chr(0x4E00 + place)}，" for place in range(300)
    )  # no two alike, which would be cut as a loop
    orders = {"text": words, "deltas_per_second": 500}
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "simulate": orders}
    job = client.submit_job(body)
    list(client.watch(job["id"]))
    with Visit.open(browser, up.url, locale="zh-CN") as visit:
        visit.go(f"#/jobs/{job['id']}")
        expect(visit.page.locator(".live")).to_contain_text("1,200 字")
        expect(visit.page.locator(".live")).to_contain_text("秒")
        moment = visit.page.locator("time").first
        expect(moment).to_have_attribute("title", re.compile("年.*月.*日"))


def test_a_refusal_is_told_in_the_readers_language_with_the_servers_words_folded(browser: Browser, up: Up) -> None:
    with Visit.open(browser, up.url, locale="zh-CN") as visit:
        visit.refused = {404}
        visit.go("#/jobs/job_0")
        alert = visit.page.get_by_role("alert")
        expect(alert.locator("> p").first).to_have_text("没有这个编号对应的内容。")
        expect(alert.get_by_text("no job has the id")).to_be_hidden()
        expect(visit.page.locator(":is(.badge, .actions):visible")).to_have_count(0)
        alert.get_by_text("详细信息").click()
        expect(alert.get_by_text("no job has the id")).to_be_visible()
