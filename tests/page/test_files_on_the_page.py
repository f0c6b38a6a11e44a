"""What the page makes of a file, and what is wrong with one is told before anything is sent."""

import json

import httpx
import pytest
from playwright.sync_api import Route, expect

from longhand.client.client import Client
from tests.page.form import MODEL, give_file, jobs_of_shown_batch, posts
from tests.page.visit import Visit

pytestmark = pytest.mark.usefixtures("at_the_form")


def drop_file(visit: Visit, name: str, content: str) -> None:
    visit.page.evaluate(
        """([name, content]) => {
          const carried = new DataTransfer();
          carried.items.add(new File([content], name));
          const form = document.querySelector("form");
          for (const kind of ["dragover", "drop"]) {
            form.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: carried }));
          }
        }""",
        [name, content],
    )


def test_the_sample_table_can_be_submitted_as_it_is(visit: Visit) -> None:
    page = visit.page
    page.get_by_label("A file").check()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download a sample table").click()
    give_file(visit, waiting.value.suggested_filename, waiting.value.path().read_bytes())
    expect(page.get_by_role("button", name="Submit 3 articles")).to_be_visible()


def test_a_dropped_jsonl_file_becomes_a_batch(visit: Visit, client: Client) -> None:
    lines = [
        {"custom_id": "one", "prompt": "Write 20 words."},
        {"custom_id": "two", "body": {"model": "other", "messages": [{"role": "user", "content": "Write 10 words."}]}},
        {"messages": [{"role": "user", "content": "Write 15 words."}]},
    ]
    drop_file(visit, "works.jsonl", "\ufeff" + "\r\n".join(json.dumps(line) for line in lines) + "\n")
    visit.page.get_by_label("Model").fill(MODEL)
    visit.page.get_by_role("button", name="Submit 3 articles").click()
    visit.heading("works")
    assert jobs_of_shown_batch(visit, client) == [
        ("one", MODEL, "Write 20 words."),
        ("two", "other", "Write 10 words."),
        (None, MODEL, "Write 15 words."),
    ]


def test_a_csv_file_is_put_into_a_template(visit: Visit, client: Client) -> None:
    give_file(visit, "topics.csv", 'custom_id,topic,words\r\na,"ink, blue",20\r\nb,"a ""pen""\nof wood",30\r\n')
    template = visit.page.get_by_label("Prompt for each row")
    template.fill("Write {words} words about {topic}, {{really}}.")
    expect(visit.page.locator(".example")).to_have_text("The first: Write 20 words about ink, blue, {really}.")
    visit.page.get_by_label("Model").fill(MODEL)
    visit.page.get_by_role("button", name="Submit 2 articles").click()
    assert jobs_of_shown_batch(visit, client) == [
        ("a", MODEL, "Write 20 words about ink, blue, {really}."),
        ("b", MODEL, 'Write 30 words about a "pen"\nof wood, {really}.'),
    ]


def test_a_column_that_is_chosen_names_the_articles(visit: Visit, client: Client) -> None:
    give_file(visit, "topics.csv", "slug,topic\r\nink-1,ink\r\npen-1,pens\r\n")
    naming = visit.page.get_by_label("Column that names each article")
    hint = "Without one, each downloaded file is named after the first heading of its article, or else its job id."
    expect(visit.page.locator("#naming-hint")).to_have_text(hint)
    naming.select_option("slug")
    expect(visit.page.locator("#naming-hint")).to_be_empty()
    visit.page.get_by_label("Prompt for each row").fill("Write 20 words about {topic}.")
    visit.page.get_by_label("Model").fill(MODEL)
    visit.page.get_by_role("button", name="Submit 2 articles").click()
    assert jobs_of_shown_batch(visit, client) == [
        ("ink-1", MODEL, "Write 20 words about ink."),
        ("pen-1", MODEL, "Write 20 words about pens."),
    ]


def test_a_table_of_another_encoding_and_delimiter_is_read_and_said_so(visit: Visit, client: Client) -> None:
    give_file(visit, "主题.csv", "编号;主题;语气\r\n1;绿茶的历史;平静\r\n;;\r\n2;雨;温暖\r\n".encode("gbk"))
    summary = visit.page.locator("#file-summary")
    expect(summary).to_contain_text("主题.csv: 2 prompts.")
    expect(summary).to_contain_text("The encoding is a guess: GB18030. If letters look wrong below")
    expect(summary).to_contain_text("The cells are separated by semicolons.")
    expect(summary).to_contain_text("a row without any text was left out (line 3)")
    expect(visit.page.locator("thead")).to_have_text("编号主题语气")
    visit.page.get_by_label("Prompt for each row").fill("写一篇关于{主题}的文章，二十个字。")
    expect(visit.page.locator(".example")).to_have_text("The first: 写一篇关于绿茶的历史的文章，二十个字。")
    visit.page.get_by_label("Model").fill(MODEL)
    visit.page.get_by_role("button", name="Submit 2 articles").click()
    visit.heading("主题")
    assert [job[2] for job in jobs_of_shown_batch(visit, client)] == [
        "写一篇关于绿茶的历史的文章，二十个字。",
        "写一篇关于雨的文章，二十个字。",
    ]
    told = visit.page.locator(".batch .notes")
    expect(told).to_contain_text("the file was read as GB18030")
    expect(told).to_contain_text("Line 3: a row without any text was left out")


def test_an_encoding_that_was_guessed_wrong_can_be_named(visit: Visit) -> None:
    give_file(visit, "a.csv", "topic\nTé\n".encode("cp1250"))
    visit.page.get_by_label("Encoding").select_option("windows-1251")
    expect(visit.page.locator("tbody")).to_have_text("Tй")
    expect(visit.page.locator("#file-summary")).to_contain_text("The file is read as Windows-1251.")
    visit.page.get_by_label("Encoding").select_option("windows-1250")
    expect(visit.page.locator("tbody")).to_have_text("Té")


def test_the_file_that_was_chosen_last_is_read_however_long_the_first_one_takes(visit: Visit) -> None:
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        held.append(route) if b"first.jsonl" in (route.request.post_data_buffer or b"") else route.continue_()

    visit.page.route("**/v1/files", hold_the_first)
    drop_file(visit, "first.jsonl", '{"prompt": "x"}\n')
    expect(visit.page.locator("#file-summary")).to_have_text("first.jsonl is being read.")
    drop_file(visit, "second.jsonl", '{"prompt": "x"}\n' * 2)
    expect(visit.page.locator("#file-summary")).to_have_text("second.jsonl: 2 prompts.")
    with visit.page.expect_response(lambda answer: answer.request.method == "DELETE"):  # what nobody needs any more
        held[0].continue_()
    expect(visit.page.locator("#file-summary")).to_have_text("second.jsonl: 2 prompts.")
    expect(visit.page.get_by_role("button", name="Submit 2 articles")).to_be_visible()


WRONG: list[tuple[str, str | bytes, list[str]]] = [
    ("a.jsonl", '{"prompt": "x"}\n{"prompt": 3}\nno\n{"a": 1}', ["Line 2:", "Line 3: the line: not", "Line 4:"]),
    ("a.jsonl", '{"custom_id": "x", "prompt": "y"}\n\n' * 2, ["Line 3:", "the same as that of line 1"]),
    ("a.jsonl", '{"body": {"messages": []}}\n{"body": 3}', ["Line 1:", "must be a list", "Line 2:"]),
    ("a.jsonl", '{"prompt": "x", "url": "/v1/embeddings"}', ["Line 1:", "/v1/chat/completions"]),
    ("a.csv", "prompt,b\nx\ny,z,1\nw,v", ["Line 2: only 1 of 2 cells", "Line 3: 3 cells"]),
    ("a.csv", 'prompt\n"never closed\n', ["Line 2: a quotation mark is opened here"]),
    ("a.csv", 'a,b\n"x\ny",\nz,,,"', ["Row 3: a quotation mark"]),
    ("a.csv", "prompt,prompt\nx,y", ["Line 1: two columns"]),
    ("a.csv", "prompt,b\n,x\n", ["Line 2: the prompt is empty", "delete the row"]),
    ("a.csv", b"PK\x03\x04", ["an Excel workbook", "save it as CSV UTF-8"]),
    ("a.xlsx", b"PK\x03\x04", ["a workbook (.xlsx) is not read", "save its sheet as CSV UTF-8"]),
    ("a.jsonl", b'{"prompt": "\xff"}', ["Line 1:", "not UTF-8"]),
    ("a.doc", "x", ["must end in .jsonl, .csv, .tsv or .txt"]),
]  # fmt: skip


def test_wrong_input_is_told_line_by_line_and_nothing_is_sent(visit: Visit) -> None:
    faults = visit.page.locator("#faults")
    for name, content, told in WRONG:  # in one visit: to load the page takes longer than all of these
        visit.go("#/no/such/view")
        expect(faults).to_have_count(0)
        visit.go("#/new")
        visit.heading("New articles")
        expect(faults, f"before {content!r}").to_have_text("")
        give_file(visit, name, content)
        visit.page.get_by_label("Model").fill(MODEL)
        visit.page.get_by_role("button", name="Submit").click()
        for words in told:
            expect(faults, repr(content)).to_contain_text(words)
        expect(faults, repr(content)).to_contain_text("Nothing was sent")
        assert posts(visit) == [], content


def test_what_a_job_cannot_do_is_told_with_the_line_before_anything_is_sent(visit: Visit) -> None:
    give_file(visit, "a.jsonl", '{"prompt": "x"}\n\n{"prompt": "y", "n": 3}')
    expect(visit.page.locator("#file-summary")).to_contain_text("Line 3: n: must be 1")
    assert posts(visit) == []


def test_a_batch_whose_file_was_refused_says_why(visit: Visit, client: Client) -> None:
    with httpx.Client(base_url=client.url) as http:
        upload = {"file": ("in.jsonl", b'{"custom_id": "a", "body": {"model": "m", "messages": []}}')}
        file_id = http.post("/v1/files", files=upload, data={"purpose": "batch"}).json()["id"]
        batch = http.post("/v1/batches", json={"input_file_id": file_id}).json()
    visit.go(f"#/batches/{batch['id']}")
    expect(visit.page.locator(".wrong")).to_contain_text("Line 1: body.messages: must be a list")
