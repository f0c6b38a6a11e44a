"""A ZIP of results is written while it is read."""

import io
import random
import zipfile
from collections.abc import Iterator
from dataclasses import replace

from api.zip_export import zip_chunks
from jobs.intake.submission import NewJob, submit_batch
from jobs.model.article_names import NameBy
from jobs.model.status import JobStatus
from jobs.store.database import Database
from jobs.store.queries import StoredResult, stream_results
from tests.api.watching import REQUEST


def test_a_zip_comes_text_by_text(sqlite_database: Database) -> None:
    batch_id = submit_batch(sqlite_database, [NewJob(request=REQUEST)] * 20).id
    texts = [random.Random(place).randbytes(100_000).hex() for place in range(20)]
    taken = []

    def ended() -> Iterator[StoredResult]:
        for place, result in enumerate(stream_results(sqlite_database, batch_id)):
            taken.append(place)
            job = replace(result.job, status=JobStatus.COMPLETED)
            yield replace(result, job=job, text=texts[place])

    chunks = []
    for chunk in zip_chunks(ended()):
        chunks.append(chunk)
        assert len(taken) == min(len(chunks), 20)  # a text is written before the next one is read
        assert len(chunk) < 120_000
    with zipfile.ZipFile(io.BytesIO(b"".join(chunks))) as archive:
        assert [archive.read(name).decode() for name in archive.namelist()] == texts


def test_the_files_are_named_by_what_is_asked_for(sqlite_database: Database) -> None:
    submitted = [NewJob(request=REQUEST, custom_id=custom_id) for custom_id in ("tea", None, None)]
    batch_id = submit_batch(sqlite_database, submitted).id
    texts = ["# All about tea\n\nHot.", "# Rain again\n\nWet.", "Nothing on top."]
    ended = [
        replace(result, job=replace(result.job, status=JobStatus.COMPLETED), text=text)
        for result, text in zip(stream_results(sqlite_database, batch_id), texts, strict=True)
    ]
    ids = [result.job.id for result in ended]
    for name_by, expected in {
        NameBy.CUSTOM_ID: ["0001-tea", "0002-Rain-again", f"0003-{ids[2]}"],
        NameBy.HEADING: ["0001-All-about-tea", "0002-Rain-again", f"0003-{ids[2]}"],
        NameBy.ID: [f"{place:04}-{job_id}" for place, job_id in enumerate(ids, 1)],
    }.items():
        with zipfile.ZipFile(io.BytesIO(b"".join(zip_chunks(ended, name_by=name_by)))) as archive:
            assert archive.namelist() == [f"{name}.md" for name in expected]
