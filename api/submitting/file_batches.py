"""A batch from a file: its lines are checked and stored while they are read, then accepted completely or not at all."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from logging import getLogger
from time import monotonic

from starlette.responses import Response

from api.access.turns import Turns
from api.callers.caller import Caller
from api.forms.batches import batch_json
from api.forms.webhooks import batch_webhook_json
from api.http.errors import ApiError, JsonAnswer
from api.http.parameters import is_id
from api.idempotency import made_was_deleted, replayed
from api.services import Services
from api.submitting.batch_orders import NewFileBatch, check_file_batch
from api.submitting.input_files import check_file
from api.submitting.input_lines import Mistakes
from api.submitting.named_upstreams import NamedUpstreams
from api.submitting.uploads import not_readable
from api.submitting.webhook_orders import require_receiver
from api.use_cases import interrupted, wake_for
from jobs.inputs.mistakes import MistakeError, Notes
from jobs.inputs.reading import open_input
from jobs.intake.drafts import Draft, DraftLostError
from jobs.intake.idempotency import IdempotencyKey, find_key
from jobs.intake.submission import Accepted, NewJob
from jobs.settings import Settings
from jobs.store.files import BATCH, File, read_file
from jobs.store.queries import read_batch

_SMALL_FILE = 1024 * 1024

log = getLogger(__name__)


class StoppedError(Exception):
    """The process was told to end before the whole file was read."""


async def post_file_batch(services: Services, caller: Caller, body: bytes, key: IdempotencyKey | None) -> Response:
    """Make a batch of the file that the body names; the answer is the batch, in progress or failed.

    Raises `ApiError`, and `KeyReusedError`.
    """
    order = await services.writes.run(check_file_batch, body)
    webhook = order.options.webhook
    if webhook is not None and (
        key is None or await services.reads.run(find_key, services.database, caller.project, key) is None
    ):
        await require_receiver(services, webhook.url, "webhook.url")
    stopped = threading.Event()
    try:
        turns = await turns_of_input(services, caller.project, order.options.input_file_id)
        accepted = await turns.run(make_file_batch, services, caller.project, order, key, stopped.is_set)
    finally:
        stopped.set()  # when this was cancelled: the process ends, and the thread gives up what it has stored
    wake_for(services, accepted)
    return await services.reads.run(answer_batch, services, caller.project, accepted, 200, webhook is not None)


async def turns_of_input(services: Services, project: str, file_id: str | None) -> Turns:
    """Where this file is read: a large one is minutes of work for one core at worst, and a small one does not wait for
    it. If there is no such file, the function that reads it says so.
    """
    if file_id is None or not is_id(file_id):
        return services.small_files
    file = await services.reads.run(read_file, services.database, file_id, project=project)
    is_large = file is not None and (file.bytes or 0) > _SMALL_FILE
    return services.file_batches if is_large else services.small_files


def make_file_batch(
    services: Services, project: str, order: NewFileBatch, key: IdempotencyKey | None, stopped: Callable[[], bool]
) -> Accepted:
    """Read a file and store a batch: one that runs, or one that has failed with the errors of its lines.

    Raises `ApiError`, `KeyReusedError`, and `StoppedError` once `stopped` says so; nothing is stored then.
    """
    if key is not None:
        known = find_key(services.database, project, key)  # not to read 200 MB for a batch that is there
        if known is not None:
            return Accepted(known, repeated=True)
    upstreams = NamedUpstreams(services.upstreams.current())
    upstreams.require_name(order.defaults.only_upstream, "upstream")
    file = find_input(services, project, order.options.input_file_id)
    options = replace(order.options, project=project, input_file_id=file.id, idempotency_key=key)
    draft = Draft(services.database, options)
    began = monotonic()
    try:
        notes = Notes()
        errors = _fill(draft, services.settings, order, upstreams, file, notes, stopped)
        if errors.first:
            accepted = draft.refuse([mistake.as_json() for mistake in errors.listed()])
        else:
            accepted = draft.accept(notes.as_json())
    except FileNotFoundError:
        draft.drop()
        raise not_readable(file.id, param="input_file_id") from None
    except DraftLostError:
        raise interrupted() from None
    except BaseException:
        draft.drop()
        raise
    log.info("submit %d jobs of %s in %.1f s, %d errors", draft.total, file.id, monotonic() - began, len(errors.first))
    return accepted


def _fill(
    draft: Draft,
    settings: Settings,
    order: NewFileBatch,
    upstreams: NamedUpstreams,
    file: File,
    notes: Notes,
    stopped: Callable[[], bool],
) -> Mistakes:
    """Store the file's jobs. After the first mistake nothing more is stored, but every line is still checked."""
    mistakes = Mistakes()

    def good_jobs() -> Iterator[NewJob]:
        for checked in check_file(opened, file.filename, order, settings, upstreams, notes):
            if stopped():
                raise StoppedError
            if isinstance(checked, MistakeError):
                mistakes.add(checked)
            elif not mistakes.first:
                yield checked

    with open_input(settings.files_folder / file.id) as opened:
        draft.add(good_jobs())
    return mistakes


def find_input(services: Services, project: str, file_id: str | None) -> File:
    """The uploaded file of this id. Raises `ApiError`."""
    file_id = file_id or ""
    file = read_file(services.database, file_id, project=project) if is_id(file_id) else None
    if file is None:
        raise ApiError(404, "not_found", f"input_file_id: no file has the id {file_id[:80]!r}", param="input_file_id")
    if file.purpose != BATCH:
        raise ApiError(400, "invalid_value", f"input_file_id: the purpose of {file.id} is {file.purpose!r}; it must be"
                       f" {BATCH!r}", param="input_file_id")  # fmt: skip
    return file


def answer_batch(services: Services, project: str, accepted: Accepted, status: int, has_webhook: bool) -> Response:
    """The batch as it was accepted, with the secret of its webhook if it asked for one. Raises `ApiError`."""
    batch = read_batch(services.database, accepted.id, project=project)
    if batch is None:
        raise made_was_deleted(accepted.id)
    shown = batch_json(batch) | (batch_webhook_json(services.database, batch.id, project) if has_webhook else {})
    return JsonAnswer(shown, status, headers={"location": f"/v1/batches/{batch.id}", **replayed(accepted)})
