"""How the page's files are served; no browser is needed for these."""

import re
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from api.endpoints import page
from tests.conftest import serve_api

FOLDER = page.FOLDER
SERVED = {".css", ".js", ".svg"}
FILES = sorted(str(file.relative_to(FOLDER)) for file in FOLDER.rglob("*") if file.suffix in SERVED)


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    # Neither a migrated database nor a Redis is there: the page needs none of them to be served.
    place = tmp_path_factory.mktemp("page") / "empty.db"
    with (
        serve_api(f"sqlite:///{place}", "redis://127.0.0.1:1/0") as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as client,
    ):
        yield client


def test_the_policy_lets_in_nothing_but_the_pages_own_files(http: httpx.Client) -> None:
    answer = http.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("name", FILES)
def test_every_file_has_its_type(http: httpx.Client, name: str) -> None:
    kinds = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
    answer = http.get(f"/page/{name}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == kinds[name.rpartition(".")[2]]
    assert answer.content == (FOLDER / name).read_bytes()


def test_a_file_that_did_not_change_is_not_sent_again(http: httpx.Client) -> None:
    first = http.get("/page/main.js")
    again = http.get("/page/main.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert http.get("/page/main.js", headers={"If-None-Match": '"another"'}).status_code == 200


@pytest.mark.parametrize("takes", ["gzip", "identity", "gzip;q=0, deflate", "br, GZIP;q=0.5"])
def test_a_file_is_packed_for_those_who_take_it(http: httpx.Client, takes: str) -> None:
    answer = http.get("/page/main.js", headers={"Accept-Encoding": takes})
    is_packed = takes in ("gzip", "br, GZIP;q=0.5")
    assert answer.headers.get("content-encoding") == ("gzip" if is_packed else None)
    assert answer.headers["vary"] == "accept-encoding"
    assert answer.content == (FOLDER / "main.js").read_bytes()
    own = {"Accept-Encoding": takes, "If-None-Match": answer.headers["etag"]}
    other = own | {"Accept-Encoding": "identity" if is_packed else "gzip"}
    assert [http.get("/page/main.js", headers=headers).status_code for headers in (own, other)] == [304, 200]


def test_the_page_names_every_module_with_a_version_that_a_browser_keeps(http: httpx.Client) -> None:
    page = http.get("/")
    assert page.headers["cache-control"] == "no-cache"
    (version,) = set(re.findall(r'"/page/([0-9a-f]{16})/', page.text))
    assert '"/page/' not in page.text.replace(f'"/page/{version}/', "")
    named = set(re.findall(rf'"/page/{version}/([^"]+)"', page.text))
    assert {name for name in FILES if not name.startswith("words_")} == named
    for name in named:
        kept = http.get(f"/page/{version}/{name}")
        assert "immutable" in kept.headers["cache-control"]
        assert kept.content == (FOLDER / name).read_bytes()


def test_a_page_of_another_version_gets_its_files_but_does_not_keep_them(http: httpx.Client) -> None:
    answer = http.get(f"/page/{'0' * 16}/main.js")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")
    assert http.get(f"/page/{'0' * 16}/none.js").status_code == 404


def test_an_edit_of_a_file_is_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(FOLDER, tmp_path / "page")
    monkeypatch.setattr(page, "FOLDER", tmp_path / "page")
    before = page._version(page._changes.__wrapped__(0))
    (tmp_path / "page/main.js").write_text("// edited")
    assert page._version(page._changes.__wrapped__(0)) != before


def test_a_head_request_gets_the_headers_alone(http: httpx.Client) -> None:
    answer = http.head("/")
    assert (answer.status_code, answer.content) == (200, b"")
    assert "content-security-policy" in answer.headers


@pytest.mark.parametrize(
    "name",
    [
        "none.js",
        "..%2fpage.py",
        "%2e%2e/page.py",
        "index.html",
        "a.py",
        "vendor/LICENSES",
        "vendor/%2e%2e/main.js",
        f"{'a' * 300}.js",
    ],
)
def test_nothing_but_the_pages_files_is_served(http: httpx.Client, name: str) -> None:
    answer = http.get(f"/page/{name}")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "unknown_path"


@pytest.mark.parametrize("name", [*FILES, "index.html"])
def test_no_file_reads_text_as_html_or_names_another_host(name: str) -> None:
    content = (FOLDER / name).read_text()
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser", content
    )
    assert not re.search(r"""(src|href|import|from|url\()\s*=?\s*["'(]*https?://""", content)


@pytest.mark.parametrize("name", ["", "/begin.js", "/swagger-ui-bundle.js", "/swagger-ui.css"])
def test_the_reference_is_served_from_here_under_a_policy_that_lets_in_no_other_host(
    http: httpx.Client, name: str
) -> None:
    answer = http.get(f"/docs{name}")
    assert answer.status_code == 200
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert "://" not in answer.headers["content-security-policy"]
    assert http.get(f"/docs{name}", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304


def test_there_is_no_second_reference_that_needs_another_host(http: httpx.Client) -> None:
    assert http.get("/redoc").status_code == 404
    assert "://" not in http.get("/docs").text


def test_every_module_that_is_imported_is_there() -> None:
    for file in FOLDER.glob("*.js"):
        for name in re.findall(r'from "\./([^"]+)"', file.read_text()):
            assert name in FILES, f"{file.name} imports {name}"


def test_what_others_wrote_is_as_they_wrote_it_and_says_under_which_licence() -> None:
    vendor = FOLDER / "vendor"
    readme = (vendor / "README.md").read_text()
    (row,) = re.findall(r"^\| `markdown_it\.js` \| (.+?) \|.*\| `([0-9a-f]{64})` \|$", readme, re.MULTILINE)
    content = (vendor / "markdown_it.js").read_bytes()
    assert sha256(content).hexdigest() == row[1]
    name, version = row[0].split()
    assert f"{name} {version}".encode() in content[:100]
    assert f"{name} {version}\n" in (vendor / "LICENSES").read_text()
