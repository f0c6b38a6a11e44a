"""A batch's results as a ZIP of Markdown files, written while it is read: nothing but one text is in memory."""

import io
from collections.abc import Iterable, Iterator
from datetime import UTC
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from api.export_words import WORDS, ExportWords, Language
from jobs.model.article_names import NameBy, article_stem
from jobs.model.ids import place_in_batch
from jobs.model.message import has_calls
from jobs.model.records import Job
from jobs.model.status import JobStatus
from jobs.store.queries import StoredResult

_REMARKS = "remarks.txt"
_OLDEST = (1980, 1, 1, 0, 0, 0)  # a ZIP knows no earlier time


def zip_chunks(
    results: Iterable[StoredResult], language: Language = "en", name_by: NameBy | None = None
) -> Iterator[bytes]:
    """Files named as `longhand results -o` names them. `remarks.txt` says which texts are missing or not whole."""
    sink = _Sink()
    remarks: list[str] = []
    with ZipFile(sink, "w", ZIP_DEFLATED) as archive:
        for result in results:
            job = result.job
            stem = article_stem(place_in_batch(job.id) + 1, job.custom_id, job.id, result.text or "", name_by)
            if remark := _remark(result, WORDS[language]):
                remarks.append(WORDS[language].remark.format(stem, remark))
            if result.text or (_is_whole(job) and not has_calls(job.message)):
                info = ZipInfo(f"{stem}.md" if _is_whole(job) else f"{stem}.partial.md", _time_of(job))
                info.compress_type = ZIP_DEFLATED
                info.external_attr = 0o100644 << 16
                archive.writestr(info, result.text or "")
            yield sink.take()
        if remarks:
            archive.writestr(_REMARKS, "\n".join(remarks) + "\n")
    yield sink.take()


def _is_whole(job: Job) -> bool:
    return job.status is JobStatus.COMPLETED and not job.incomplete


def _remark(result: StoredResult, words: ExportWords) -> str:
    job = result.job
    if _is_whole(job):
        return words.only_calls if not result.text and has_calls(job.message) else ""
    if job.status is JobStatus.COMPLETED:
        return words.because.format(words.cut_reason(job.incomplete), job.incomplete)
    why = " ".join(f"{job.error_code}: {job.error_message}".split()) if job.error_code else ""
    status = words.because.format(words.status(job.status), why) if why else words.status(job.status)
    return words.remark.format(words.incomplete if result.text else words.no_text, status)


def _time_of(job: Job) -> tuple[int, int, int, int, int, int]:
    ended = job.finished_at
    return ended.astimezone(UTC).timetuple()[:6] if ended else _OLDEST


class _Sink(io.RawIOBase):
    """A file that cannot be wound back, whose content is taken away while it is written."""

    def __init__(self) -> None:
        super().__init__()
        self._written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, part: bytes) -> int:  # type: ignore[override]  # zipfile writes nothing else
        self._written.append(bytes(part))
        return len(part)

    def take(self) -> bytes:
        taken, self._written = b"".join(self._written), []
        return taken
