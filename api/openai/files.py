"""Files, as the OpenAI API has them: the inputs of batches, and what batches give."""

import errno
from collections.abc import Iterator
from dataclasses import replace
from logging import getLogger
from time import monotonic
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import Query, Request
from starlette.responses import FileResponse, Response

from api.access.large_answers import StreamedAnswer
from api.callers.caller import CallerDep
from api.finding import find_file
from api.forms.files import file_json
from api.forms.pages import page_json
from api.http.errors import ApiError, JsonAnswer
from api.http.parameters import AfterFile, FileId, v1_routes
from api.openai.output_lines import bytes_at_once, output_lines
from api.openai.schemas import FILE_FORM, DeletedFile, FileList, FileObject
from api.services import Services, ServicesDep, reading, writing
from api.submitting.fields import invalid, missing, unknown, unsupported
from api.submitting.uploads import Upload, delete_bytes, not_readable
from api.sweeping import sweep_expired
from jobs.model.ids import new_id
from jobs.store.files import (
    BATCH,
    BATCH_OUTPUT,
    File,
    add_upload,
    delete_file,
    keep_bytes,
    list_files,
)
from jobs.store.queries import read_batch

routes = v1_routes("files")

_EXPIRY = ("expires_after[anchor]", "expires_after[seconds]")
_LONGEST_NAME = 512
_COUNTING_SECONDS = 5.0
"""How long a page of the list may take to count the outputs on it."""

log = getLogger(__name__)


@routes.post("/files", responses={200: {"model": FileObject}}, openapi_extra=FILE_FORM)
async def post_file(services: ServicesDep, caller: CallerDep, request: Request) -> Response:
    """Upload a JSON Lines file as multipart/form-data, with `purpose=batch`.

    It is streamed to disk. `expires_after[anchor]=created_at` and `expires_after[seconds]` (3600 to 2592000) say for
    how long it is kept; without them it is kept until it is deleted. Every upload makes another file: an
    `Idempotency-Key` is refused.
    """
    if "idempotency-key" in request.headers:
        advice = "is not taken with an upload; send it with the POST that makes a batch of the file"
        raise unsupported("Idempotency-Key", advice)
    try:
        with (
            services.upload_budget.holding(caller.account, 1),
            Upload(services.settings.files_folder, services.settings.max_file_bytes) as upload,
        ):
            await upload.read(request, services.uploads)
            seconds = _check_form(upload)
            file = await services.writes.run(_keep, services, caller.project, upload, seconds)
    except OSError as error:
        log.error("an upload cannot be written to %s: %s", services.settings.files_folder, error.strerror)  # noqa: TRY400  # the folder is at fault, not the code
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            message = "the disk of the folder of the files (LONGHAND_FILES) is full: free some space, then try again"
            raise ApiError(503, "disk_full", message, headers={"Retry-After": "30"}) from None
        message = "the folder of the files (LONGHAND_FILES) cannot be written; the service's log says why"
        raise ApiError(503, "files_not_writable", message) from None
    await services.writes.run(sweep_expired, services)
    return JsonAnswer(file_json(file))


@routes.get("/files", responses={200: {"model": FileList}})
@reading
def get_files(
    services: ServicesDep,
    caller: CallerDep,
    purpose: Annotated[str | None, Query(description="Files with this purpose: `batch` or `batch_output`.")] = None,
    after: AfterFile = None,
    limit: Annotated[int, Query(ge=1, le=10_000, description="How many items.")] = 10_000,
    order: Annotated[Literal["asc", "desc"], Query(description="Oldest or newest first.")] = "desc",
) -> Response:
    """List files, newest first.

    The length of a batch's output is counted when it is first asked for, about a second for 50,000 lines. A page ends
    early, with `has_more`, when counting has taken some seconds.
    """
    found, more = list_files(
        services.database,
        project=caller.project,
        purpose=purpose,
        after=after,
        limit=limit,
        newest_first=order == "desc",
    )
    page = list(_counted_in_time(services, caller.project, found))
    return JsonAnswer(page_json([file_json(file) for file in page], more=more or len(page) < len(found)))


@routes.get("/files/{file_id}", responses={200: {"model": FileObject}})
@reading
def get_file(services: ServicesDep, caller: CallerDep, file_id: FileId) -> Response:
    """One file. The length of a batch's output is counted when it is first asked for."""
    return JsonAnswer(file_json(_counted(services, caller.project, find_file(services, caller, file_id))))


@routes.get(
    "/files/{file_id}/content",
    response_class=Response,
    responses={200: {"content": {"application/jsonl": {}}, "description": "The bytes of the file."}},
)
@reading
def get_content(services: ServicesDep, caller: CallerDep, file_id: FileId) -> Response:
    """The bytes of a file. Those of an upload can be asked for by `Range`.

    The outputs of a batch are written from its jobs while they are read: what was retried since is in them.
    """
    file = find_file(services, caller, file_id)
    if file.purpose == BATCH_OUTPUT:
        name = f"attachment; filename*=utf-8''{quote(file.filename, safe='')}"
        lines: Iterator[bytes] = output_lines(services.database, file, project=caller.project)
        return StreamedAnswer(
            services.answer_budget,
            services.downloads,
            bytes_at_once(services.database, file),
            lines,
            media_type="application/jsonl",
            headers={"content-disposition": name},
        )
    path = services.settings.files_folder / file.id
    if not path.is_file():
        raise not_readable(file.id)
    return FileResponse(path, media_type="application/jsonl", filename=file.filename)


@routes.delete("/files/{file_id}", responses={200: {"model": DeletedFile}})
@writing
def remove_file(services: ServicesDep, caller: CallerDep, file_id: FileId) -> Response:
    """Delete a file. The batch that was made from it, and its jobs, stay and go on."""
    if not delete_file(services.database, file_id, project=caller.project):
        raise ApiError.not_found("file", file_id)
    delete_bytes(services.settings.files_folder, [file_id])
    return JsonAnswer({"id": file_id, "object": "file", "deleted": True})


def _check_form(upload: Upload) -> int | None:
    """Check the fields beside the file; how long to keep it."""
    for name in upload.fields:
        if name not in ("purpose", *_EXPIRY):
            raise unknown(name[:64], ["file", "purpose", *_EXPIRY])
    purpose = upload.fields.get("purpose")
    if purpose is None:
        raise missing("purpose", repr(BATCH))
    if purpose != BATCH:
        raise invalid("purpose", f"must be {BATCH!r}, not {purpose[:60]!r}: files for other purposes are not taken")
    name = upload.filename or ""
    if not 1 <= len(name) <= _LONGEST_NAME or "\x00" in name:
        raise invalid("file", f"its name must have 1 to {_LONGEST_NAME} characters and no NUL")
    anchor, seconds = (upload.fields.get(field) for field in _EXPIRY)
    if anchor is None and seconds is None:
        return None
    if anchor != "created_at":
        raise invalid(_EXPIRY[0], 'must be "created_at"')
    digits = seconds is not None and len(seconds) <= 9 and seconds.isascii() and seconds.isdigit()
    if seconds is None or not (digits and 3600 <= int(seconds) <= 2_592_000):
        raise invalid(_EXPIRY[1], "must be a whole number from 3600 to 2592000")
    return int(seconds)


def _keep(services: Services, project: str, upload: Upload, seconds: int | None) -> File:
    file_id = new_id("file")
    upload.keep(file_id)
    return add_upload(
        services.database, file_id, project=project, filename=upload.filename or "", size=upload.size, seconds=seconds
    )


def _counted_in_time(services: Services, project: str, found: list[File]) -> Iterator[File]:
    """The files with their lengths, at least one of them, until counting has taken too long."""
    began = monotonic()
    for place, file in enumerate(found):
        if place > 0 and file.bytes is None and monotonic() - began > _COUNTING_SECONDS:
            return
        yield _counted(services, project, file)


def _counted(services: Services, project: str, file: File) -> File:
    """The file with its length, which of an output is counted now if nobody has asked for it yet."""
    if file.bytes is not None:
        return file
    batch = read_batch(services.database, file.batch_id or "", project=project)
    size = sum(len(piece) for piece in output_lines(services.database, file, project=project))
    ended_at = batch.times["finalizing_at"] if batch is not None else None
    if ended_at is not None:  # otherwise it runs again, and will be longer
        keep_bytes(services.database, file, size, ended_at)
    return replace(file, bytes=size)
