"""The README, run as it stands there: every line of its shell blocks, its Python, the examples, and every link."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from longhand.simulator import Pace, serve_in_thread
from tests.stack import warm_command
from tests.stack.running_up import ROOT, Up, environ_of, running_up

README = (ROOT / "README.md").read_text()
CHINESE = (ROOT / "README.zh-CN.md").read_text()
RECIPES = (ROOT / "docs" / "zh-CN" / "recipes.md").read_text()
ENGLISH_RECIPES = (ROOT / "docs" / "recipes.md").read_text()
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_FILE = r"(?<![\w/.])(?:api|benchmarks|docs|examples|jobs|longhand|migrations|tests|worker)/[\w./-]+\.[a-z]+\b"
# These set up what the fixtures below set up: an environment, an upstream and `longhand up`.
_SET_UP = (
    "python3 -m venv .venv",
    ". .venv/bin/activate",
    "pip install '.[server]'",
    "export LONGHAND_UPSTREAM_URL=https://api.openai.com/v1 LONGHAND_UPSTREAM_API_KEY=sk-...",
    "export LONGHAND_UPSTREAM_URL=https://api.deepseek.com/v1 LONGHAND_UPSTREAM_API_KEY=sk-...",
    "export LONGHAND_UPSTREAM_URL=http://127.0.0.1:9000/v1",
    "longhand simulate --port 9000 &",
    "longhand up",
)


def blocks_of(text: str, language: str) -> list[str]:
    """The fenced blocks in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def lines_of(document: str) -> list[str]:
    """Every line of the shell blocks; a line that ends in a backslash goes on in the next one."""
    return "".join(blocks_of(document, "sh")).replace("\\\n", "").splitlines()


def lines_to_run(document: str) -> list[str]:
    """Every line of the shell blocks that is not set-up."""
    lines = lines_of(document)
    assert len(set(_SET_UP) - set(lines)) == 1  # each document has one provider as its example
    return [line for line in lines if line not in _SET_UP]


class Reader:
    """Someone who types what the README says."""

    def __init__(self, up: Up, folder: Path, *, warm: bool = False) -> None:
        self._folder = folder
        self._port = up.url.rpartition(":")[2]
        # The command that belongs to this Python; `warm`: forked, where starting it tells no more.
        first = folder / "bin" if warm else Path(sys.executable).parent
        self._passed = [warm_command.put_into(first)] if warm else []
        path = f"{first}{os.pathsep}{os.environ['PATH']}"
        self.environ = {**environ_of(folder / "home", {"LONGHAND_URL": up.url}), "PATH": path}
        self._ids: dict[str, str] = {}

    def type(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run a line, with the ids that the lines before it have printed."""
        for kind, resource_id in self._ids.items():
            line = line.replace(f"{kind}_...", resource_id)
        assert "_..." not in line
        ran = subprocess.run(
            ["sh", "-c", line.replace(":8440", f":{self._port}")],
            cwd=self._folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            pass_fds=self._passed,
        )
        for kind in ("batch", "job"):
            if found := re.search(rf"\b{kind}_[0-9a-f]{{20,}}", ran.stdout):
                self._ids[kind] = found[0]
        return ran

    def jobs(self, *options: str) -> list[dict[str, Any]]:
        """The jobs of the batch, as `longhand jobs --json` prints them."""
        listed = json.loads(self.type(shlex.join(["longhand", "jobs", "--json", *options])).stdout)
        return [job for job in listed if job["batch_id"] == self._ids["batch"]]


@contextmanager
def stack_in(home: Path) -> Iterator[Up]:
    with (
        serve_in_thread(Pace(deltas_per_second=500, first_delta_seconds=0.05)) as upstream,
        running_up(environ_of(home, {"LONGHAND_UPSTREAM_URL": upstream.url}), "--port", "0") as running,
    ):
        yield running
        assert running.end() == 0


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Up]:
    """A stack of its own for who makes a key: after that it asks everybody for one."""
    with stack_in(tmp_path / "home") as running:
        yield running


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with stack_in(tmp_path_factory.mktemp("readme") / "home") as running:
        yield running


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A stack whose upstream has not yet seen the requests that fail once: those of the recipes are in `up`, too."""
    with stack_in(tmp_path_factory.mktemp("fresh") / "home") as running:
        yield running


@pytest.mark.races
def test_every_line_of_the_readme_does_what_it_says(own: Up, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    reader = Reader(own, tmp_path)
    ran = {line: reader.type(line) for line in lines_to_run(README)}
    failed = {line: (done.returncode, done.stderr) for line, done in ran.items() if done.returncode}
    # Nothing has failed that could be run again, and the README says "if".
    [(line, (code, said))] = failed.items()
    assert line.startswith("longhand retry ")
    assert code == 1
    assert "there is nothing to run again" in said
    assert len(list((tmp_path / "articles").glob("*.md"))) == 8
    assert (tmp_path / "articles" / "0001-tea.md").read_text()
    [watched] = [done.stdout for line, done in ran.items() if line.startswith("curl -N ")]
    assert "event: done" in watched
    assert ran["longhand keys create"].stdout.startswith("lh_")


@pytest.mark.races
def test_every_line_of_the_chinese_readme_does_what_it_says(up: Up, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    reader = Reader(up, tmp_path, warm=True)
    ran = {line: reader.type(line) for line in lines_to_run(CHINESE)}
    [line] = [line for line, done in ran.items() if done.returncode]
    assert line.startswith("longhand retry ")
    assert len(list((tmp_path / "articles").glob("*.md"))) == 8


@pytest.mark.races
def test_every_line_of_the_chinese_recipes_does_what_it_says(up: Up, tmp_path: Path) -> None:
    [table] = blocks_of(RECIPES, "csv")
    (tmp_path / "topics.csv").write_text(table, encoding="gb18030")
    [failures] = blocks_of(RECIPES, "jsonl")
    (tmp_path / "failures.jsonl").write_text(failures)
    reader = Reader(up, tmp_path, warm=True)
    reader.environ["LONGHAND_LANG"] = "zh"
    ran = {line: reader.type(line) for line in lines_of(RECIPES)}
    assert {line: done.stderr for line, done in ran.items() if done.returncode} == {}
    assert len(ran) > 10
    assert len(list((tmp_path / "articles").glob("*.md"))) == 2
    [written] = (tmp_path / "articles").glob("*.csv")
    assert written.read_text().startswith("\ufeff序号,任务编号,")
    assert "已删除" in ran["longhand delete batch_... --yes"].stdout


@pytest.mark.races
@pytest.mark.parametrize("recipes", [ENGLISH_RECIPES, RECIPES], ids=["english", "chinese"])
def test_the_jobs_that_fail_on_purpose_do_so_as_the_recipe_says(fresh: Up, tmp_path: Path, recipes: str) -> None:
    [failures] = blocks_of(recipes, "jsonl")
    (tmp_path / "failures.jsonl").write_text(failures)
    reader = Reader(fresh, tmp_path, warm=True)
    [line] = [line for line in lines_of(recipes) if "failures.jsonl" in line]
    reader.type(line)
    watched = reader.type("longhand watch batch_...")
    assert watched.returncode == 1
    assert "refused: failed, upstream_rejected" in watched.stderr
    went = {job["custom_id"]: (job["status"], job["attempt"]) for job in reader.jobs()}
    assert went == {"refused": ("failed", 1), "broken": ("completed", 2), "whole": ("completed", 1)}
    assert reader.type("longhand retry batch_... --watch").returncode == 0
    assert [job["status"] for job in reader.jobs()] == ["completed"] * 3
    [named] = reader.jobs("--custom-id", "refused")
    assert (named["custom_id"], named["attempt"]) == ("refused", 2)
    assert reader.jobs("--custom-id", "nobody") == []


@pytest.mark.races
def test_the_python_of_the_readme_and_the_examples_run(
    up: Up, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LONGHAND_URL", up.url)
    examples = [path.read_text() for path in (ROOT / "examples").glob("*.py")]
    # That with OpenAI's SDK runs in `tests/openai_sdk`.
    own = [block for block in blocks_of(README, "python") if "import OpenAI" not in block]
    assert len(own) == 1
    for source in (*own, *examples):
        names: dict[str, Any] = {}
        exec(compile(source, "README.md", "exec"), names)  # noqa: S102  # the document is what is tested
    said = capsys.readouterr().out
    assert len(re.findall(r": completed, \d+ bytes, SHA-256 [0-9a-f]{64}$", said, re.MULTILINE)) == 2


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_to_a_file_that_exists(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#\s]+)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    named = re.findall(_FILE, document.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize(
    ("readme", "name", "most_bytes"), [(README, "page.png", 200_000), (CHINESE, "page.zh.png", 300_000)]
)
def test_each_readme_has_a_picture_in_its_language_that_loads_at_once(readme: str, name: str, most_bytes: int) -> None:
    assert re.findall(r"^!\[.+\]\(docs/(.+)\)$", readme, flags=re.MULTILINE) == [name]
    assert (ROOT / "docs" / name).stat().st_size < most_bytes
