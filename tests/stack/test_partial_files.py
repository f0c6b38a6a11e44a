"""`longhand results` and the files of incomplete texts: which it replaces or removes, and which are not its own."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from longhand.cli.results import ExportReport, write_results
from longhand.client.client import Client
from longhand.client.errors import InputError
from tests.stack.test_command_results import ITEMS
from tests.upstream.scripted_upstream import Script, ScriptedUpstream, head

FAILED: dict[str, object] = {
    "id": "job_1",
    "custom_id": "bees",
    "status": "failed",
    "error": {"code": "stall", "message": "no"},
    "partial_text": "Wasps.",
}


def write_both(folder: Path, *items: dict[str, object], meanwhile: Callable[[], object] = lambda: None) -> ExportReport:
    """Write the results of these items, one after the other, as one job's; the last report."""
    scripts: list[Script] = [[head(), json.dumps(item).encode()] for item in items]
    with ScriptedUpstream(*scripts) as server, Client(server.url) as client:
        for _ in items[:-1]:
            write_results(client, "batch_1", folder, "md")
            meanwhile()
        return write_results(client, "batch_1", folder, "md")


def test_a_text_written_anew_replaces_the_partial_file_that_longhand_wrote_of_it(tmp_path: Path) -> None:
    written = write_both(tmp_path, FAILED, ITEMS[0])
    assert {path.name: path.read_text() for path in tmp_path.glob("[!.]*")} == {"0001-bees.md": "Bees.\u2028\n蜂"}
    assert written.remarks == []


def test_a_partial_text_that_changed_replaces_the_one_that_longhand_wrote(tmp_path: Path) -> None:
    write_both(tmp_path, FAILED, {**FAILED, "partial_text": "Hornets."}, {**FAILED, "partial_text": "Bumblebees."})
    assert (tmp_path / "0001-bees.partial.md").read_text() == "Bumblebees."


def test_a_partial_file_under_the_heading_of_an_earlier_text_goes_too(tmp_path: Path) -> None:
    unnamed: dict[str, object] = {"custom_id": None}
    write_both(tmp_path, {**FAILED, **unnamed, "partial_text": "# Wasps\n\nT"}, {**ITEMS[0], **unnamed})
    assert [path.name for path in tmp_path.glob("[!.]*")] == ["0001-job_1.md"]


def test_a_partial_file_that_the_user_edited_stays_and_is_named(tmp_path: Path) -> None:
    file = tmp_path / "0001-bees.partial.md"
    written = write_both(tmp_path, FAILED, ITEMS[0], meanwhile=lambda: file.write_text("Wasps. And mine."))
    assert file.read_text() == "Wasps. And mine."
    assert (tmp_path / "0001-bees.md").exists()
    assert written.remarks == [
        f"{file}: left as it is, because Longhand did not write what is in it; the complete text is beside it"
    ]


def test_a_partial_file_that_the_user_edits_while_results_are_read_stays_and_is_named(tmp_path: Path) -> None:
    file = tmp_path / "0001-bees.partial.md"

    class Reading:
        def results(self, _batch_id: str) -> Iterator[dict[str, object]]:
            yield ITEMS[0]
            file.write_text("Wasps. And mine.")
            yield {**ITEMS[0], "id": "job_2", "custom_id": "ants"}

    write_both(tmp_path, FAILED)
    written = write_results(cast("Client", Reading()), "batch_1", tmp_path, "md")
    assert file.read_text() == "Wasps. And mine."
    assert [path.name for path in written.files] == ["0001-bees.md", "0002-ants.md"]
    assert written.remarks[0].startswith(f"{file}: left as it is")


@pytest.mark.parametrize("content", ["", "notes", "Bees.\u2028\n蜂 and more"])
def test_a_partial_file_that_longhand_never_wrote_stays(tmp_path: Path, content: str) -> None:
    file = tmp_path / "0001-bees.partial.md"
    file.write_text(content)
    assert len(write_both(tmp_path, ITEMS[0]).remarks) == 1
    assert file.read_text() == content


def test_what_longhand_wrote_of_another_job_stays(tmp_path: Path) -> None:
    write_both(tmp_path, {**FAILED, "id": "job_9"}, ITEMS[0])
    assert (tmp_path / "0001-bees.partial.md").read_text() == "Wasps."


def test_a_link_or_folder_with_the_name_of_a_partial_file_stays(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("Be")
    (tmp_path / "0001-bees.partial.md").symlink_to(tmp_path / "mine")
    (tmp_path / "0001-job_1.partial.md").mkdir()
    assert len(write_both(tmp_path, {**ITEMS[0]}).remarks) == 1
    assert len(write_both(tmp_path, {**ITEMS[0], "custom_id": None}).remarks) == 1
    assert (tmp_path / "0001-bees.partial.md").is_symlink()
    assert (tmp_path / "0001-job_1.partial.md").is_dir()


def test_an_incomplete_text_replaces_no_file_of_the_user_without_force(tmp_path: Path) -> None:
    file = tmp_path / "0001-bees.partial.md"
    with pytest.raises(InputError, match=r"nothing was written: .*0001-bees\.partial\.md exists already, and --force"):
        write_both(tmp_path, FAILED, FAILED, meanwhile=lambda: file.write_text("mine"))
    assert file.read_text() == "mine"
    with ScriptedUpstream([head(), json.dumps(FAILED).encode()]) as server, Client(server.url) as client:
        write_results(client, "batch_1", tmp_path, "md", may_replace=lambda _: True)
    assert file.read_text() == "Wasps."


@pytest.mark.parametrize(
    "mark", ["mine", "[]", '{"../0001-bees.partial.md": {"job": "job_1", "sha256": ""}}', "[" * 9999]
)
def test_a_file_with_the_name_of_longhands_marks_that_is_none_stays(tmp_path: Path, mark: str) -> None:
    file = tmp_path / ".longhand-partial.json"
    file.write_text(mark)
    write_both(tmp_path, FAILED, ITEMS[0])
    assert file.read_text() == mark
    assert (tmp_path / "0001-bees.partial.md").exists()  # nothing says whose it is


def test_a_text_that_became_whole_replaces_the_partial_file_of_an_older_version(tmp_path: Path) -> None:
    (tmp_path / "0001-bees.partial.md").write_text("Be")
    script = [head(), json.dumps(ITEMS[0]).encode()]
    with ScriptedUpstream(script) as server, Client(server.url) as client:
        write_results(client, "batch_1", tmp_path, "md")
    assert [path.name for path in tmp_path.glob("[!.]*")] == ["0001-bees.md"]


def test_an_article_without_a_custom_id_is_named_by_its_heading_and_its_early_partial_file_goes(tmp_path: Path) -> None:
    text = "# The Tea: of / Assam ##\n\nIt grows."
    script = [head(), json.dumps({**ITEMS[0], "custom_id": None, "text": text}).encode()]
    (tmp_path / "0001-job_1.partial.md").write_text("# The")
    with ScriptedUpstream(script) as server, Client(server.url) as client:
        write_results(client, "batch_1", tmp_path, "md")
    assert [path.name for path in tmp_path.glob("[!.]*")] == ["0001-The-Tea-of-Assam.md"]
