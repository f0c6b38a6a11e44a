"""Writes results to files, all or none of them, so that half a file never passes for a whole one.

All in input order: one file, or one Markdown file for each article. An incomplete text never has the name of a
complete one: its file ends in `.partial.md`, also when the job completed and the text was cut short.
"""

import os
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from jobs.model.article_names import NameBy, article_stem, export_stem
from jobs.model.message import has_calls
from jobs.strict_json import dump_json
from longhand.cli.folder_batches import NOTE, FolderBatches, MayMix
from longhand.cli.new_files import MayReplace, NewFiles, made_folder, never, refuse_unless
from longhand.cli.output_form import check_form
from longhand.cli.partial_files import ENDING, PartialFiles
from longhand.client.client import Client
from longhand.client.errors import LonghandError
from longhand.client.objects import Json, Result
from longhand.terminal.explanations import cut_short_words, plain_reason, reason, status_word
from longhand.terminal.failures import names_of
from longhand.words.catalogue import spoken, t, translated


@dataclass(frozen=True, slots=True)
class _Remark:
    line: str
    """With the words of the upstream as they came."""
    sentence: str
    file: str
    plain: str
    """Why: the same for many that failed for one cause."""


@dataclass(slots=True)
class ExportReport:
    """What was written."""

    files: list[Path] = field(default_factory=list)
    """The files with complete texts, or the one file with all results."""
    incomplete: list[Path] = field(default_factory=list)
    """Those with incomplete texts."""
    jobs: int = 0
    """How many jobs are in the one file with all results."""
    noted: list[_Remark] = field(default_factory=list)

    def note(self, sentence: str, file: Path | str, why: str = "", plain: str = "") -> None:
        """Remark something of a text."""
        self.noted.append(_Remark(t(sentence, file=file, why=why), sentence, str(file), plain or why))

    @property
    def remarks(self) -> list[str]:
        """One line for each text that is missing, incomplete or cut short, and each file that is left."""
        return [one.line for one in self.noted]

    @property
    def lines(self) -> list[str]:
        """The same for a person: those of one kind and one reason are one line."""
        files: dict[tuple[str, str], list[str]] = {}
        for one in self.noted:
            files.setdefault((one.sentence, one.plain), []).append(one.file)
        return [t(sentence, file=names_of(names, len(names)), why=plain) for (sentence, plain), names in files.items()]


def write_results(
    client: Client,
    resource_id: str,
    path: Path,
    form: str,
    *,
    is_file: bool = False,
    name_by: NameBy | None = None,
    may_replace: MayReplace = never,
    may_mix: MayMix = never,
) -> ExportReport:
    """Write the results of a batch or of one job into a folder or, with `is_file`, into one file. Missing folders are
    made. `may_replace` is asked before another file is replaced, and `may_mix` before articles are put beside those of
    another batch. Raises `LonghandError`.
    """
    check_form(form, resource_id)
    try:
        if form == "md" and not is_file:
            with made_folder(path):
                return _write_articles(client, resource_id, path, name_by, may_replace, may_mix)
        with made_folder(path.parent if is_file else path):
            path = path if is_file else path / f"{_stem_of(client, resource_id)}.{form}"
            # Before much is read for nothing.
            was_there = os.path.lexists(path)
            refuse_unless(may_replace, [path] if was_there else [])
            count = client.batch(resource_id)["request_counts"]["total"] if _is_batch(resource_id) else 1
            with NewFiles(path.parent) as files:
                with files.open(path.name) as file:
                    copy_results(client, resource_id, form, file, name_by)
                files.put(_always if was_there else may_replace)
    except OSError as error:
        raise LonghandError(f"{error.filename or path}: {translated(str(error.strerror))}") from None
    return ExportReport([path], jobs=count)


def _always(_: Sequence[Path]) -> bool:
    return True


def _stem_of(client: Client, resource_id: str) -> str:
    """As the page names the download."""
    if _is_batch(resource_id):
        return export_stem(resource_id, (client.batch(resource_id).get("metadata") or {}).get("title"))
    return export_stem(resource_id, client.job(resource_id).get("custom_id"))


def copy_results(client: Client, resource_id: str, form: str, out: IO[bytes], name_by: NameBy | None = None) -> None:
    """Write the results in one of the forms to a file that is open. A job in Markdown is its text."""
    check_form(form, resource_id)
    if _is_batch(resource_id):
        with client.stream_results(resource_id, form, language=spoken(), name_by=name_by) as chunks:
            for chunk in chunks:
                out.write(chunk)
    else:
        item = _result_of(client, resource_id)
        shown = item.get("text", item.get("partial_text", "")) if form == "md" else f"{dump_json(item)}\n"
        out.write(shown.encode())
    out.flush()


def _is_batch(resource_id: str) -> bool:
    return resource_id.startswith("batch_")


def _result_of(client: Client, job_id: str) -> Result:
    """One job as a result of a batch would show it."""
    job = client.job(job_id)
    text = client.text(job_id, partial=True)
    shown: Json = {name: value for name, value in job.items() if name not in ("request", "attempts")}
    if job["status"] == "completed":
        shown["text"] = text
    elif text:
        shown["partial_text"] = text
    return cast("Result", shown)


def _results_of(client: Client, resource_id: str) -> Generator[Result, None, None]:
    if _is_batch(resource_id):
        yield from client.results(resource_id)
    else:
        yield _result_of(client, resource_id)


def _write_articles(
    client: Client,
    resource_id: str,
    directory: Path,
    name_by: NameBy | None,
    may_replace: MayReplace,
    may_mix: MayMix,
) -> ExportReport:
    written = ExportReport()
    batches = FolderBatches(directory, resource_id)
    batches.refuse_unless(may_mix)
    partial_files = PartialFiles(directory)
    with closing(_results_of(client, resource_id)) as found, NewFiles(directory) as files:
        for place, item in enumerate(found):
            number = item.get("index", place) + 1  # jobs before it may have been deleted
            text, part = item.get("text"), item.get("partial_text")
            stem = article_stem(number, item.get("custom_id"), item["id"], text or part or "", name_by)
            partial = f"{stem}{ENDING}"
            if text is not None and (cut := cut_short_words(item)):
                written.incomplete.append(partial_files.write(files, partial, item["id"], text))
                written.note("results.cut", written.incomplete[-1], cut)
            elif text == "" and has_calls(item.get("message")):
                written.note("results.tool_call", stem)
            elif text is not None:
                written.files.append(files.write(f"{stem}.md", text))
                # What an earlier call found while the batch still ran; the text may not have had its heading then.
                early = article_stem(number, item.get("custom_id"), item["id"], name_by=name_by)
                for left in partial_files.replaced_by(item["id"], text, [partial, f"{early}{ENDING}"]):
                    written.note("results.left", left)
            elif part:
                written.incomplete.append(partial_files.write(files, partial, item["id"], part))
                written.note("results.incomplete", written.incomplete[-1], *_status_and_reason(item))
            else:
                written.note("results.no_text", stem, *_status_and_reason(item))
        partial_files.put_marks(files)
        if written.files or written.incomplete:
            batches.put_note(files)
        files.put(may_replace, replaceable=lambda name: name == NOTE or partial_files.may_replace(name))
        for left in partial_files.remove():
            written.note("results.left", left)
    return written


def _status_and_reason(item: Result) -> list[str]:
    """With the upstream's own words, and in plain ones."""
    status = status_word(item["status"])
    return [
        t("status.because", status=status, why=why) if why else status for why in (reason(item), plain_reason(item))
    ]
