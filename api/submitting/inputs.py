"""Inputs: what an uploaded file would become, by the same rules, before you create a batch from it."""

from itertools import islice
from typing import Any

from starlette.responses import Response

from api.access.turns import leave_with_client
from api.callers.caller import Caller, CallerDep
from api.http.errors import JsonAnswer
from api.http.parameters import v1_routes
from api.http.request_bodies import INPUT_BODY, request_body
from api.schemas.batches import InputObject
from api.services import Services, ServicesDep
from api.submitting.batch_orders import NewFileBatch, check_input_order
from api.submitting.bodies import SmallBody
from api.submitting.file_batches import find_input, turns_of_input
from api.submitting.input_files import check_lines, open_file
from api.submitting.input_lines import Mistakes
from api.submitting.named_upstreams import NamedUpstreams
from api.submitting.uploads import not_readable
from jobs.inputs.mistakes import MistakeError, Notes
from jobs.inputs.reading import InputFile, ReadOptions, open_input
from jobs.inputs.rows import Row
from jobs.store.files import File

routes = v1_routes("submit")

_SHOWN_ROWS = 5
_SHOWN_CHARACTERS = 200
_SHOWN_PROMPT = 4000


@routes.post("/inputs", responses={200: {"model": InputObject}}, openapi_extra=request_body(INPUT_BODY))
async def post_input(services: ServicesDep, caller: CallerDep, body: SmallBody) -> Response:
    """Say what an uploaded file would become: its encoding, delimiter and columns, its first rows, the first prompt,
    how many jobs, and everything that is wrong with it.

    `POST /v1/batches` with the same `input_file_id` and `input` makes a batch of it. Nothing is stored here. With
    `limit` only that many requests are looked at.
    """
    order, limit = await services.writes.run(check_input_order, body)
    # As making a batch: a long file keeps one core busy, and no longer than its client waits.
    turns = await turns_of_input(services, caller.project, order.options.input_file_id)
    return await turns.run(_look, services, caller, order, limit)


def _look(services: Services, caller: Caller, order: NewFileBatch, limit: int | None) -> Response:
    file = find_input(services, caller.project, order.options.input_file_id)
    upstreams = NamedUpstreams(services.upstreams.current())
    notes, mistakes = Notes(), Mistakes()
    count, first, opened_as = 0, None, None
    try:
        with open_input(services.settings.files_folder / file.id, leave_with_client) as opened:
            opened_as = open_file(opened, file.filename, order.read, services.settings, notes)
            for checked in check_lines(opened_as, order, services.settings, upstreams, limit=limit):
                if isinstance(checked, MistakeError):
                    mistakes.add(checked)
                    continue
                count += 1
                first = first or _prompt(checked.request)
    except FileNotFoundError:
        raise not_readable(file.id, param="input_file_id") from None
    except MistakeError as mistake:
        mistakes.add(mistake)
    rows = _first_rows(services, file, order.read or ReadOptions()) if opened_as and opened_as.columns else []
    shown = {
        "object": "input",
        "input_file_id": file.id,
        **_form(opened_as),
        "rows": rows,
        "first_prompt": first,
        "count": count,
        "mistakes": [mistake.as_json() for mistake in mistakes.first],
        "mistake_count": mistakes.count,
        "warnings": notes.as_json(),
    }
    return JsonAnswer(shown)  # a row may have 16,384 cells: it is written out here, and not on the event loop


def _form(file: InputFile | None) -> dict[str, Any]:
    if file is None:
        return {"encoding": None, "is_guess": False, "delimiter": None, "columns": []}
    return {
        "encoding": file.encoding.name,
        "is_guess": file.encoding.is_guess,
        "delimiter": file.form.delimiter if file.form else None,
        "columns": file.columns if file.is_table else [],
    }


def _first_rows(services: Services, file: File, read: ReadOptions) -> list[list[str]]:
    """The first rows of a table with something in them, whatever its template is."""
    with open_input(services.settings.files_folder / file.id, leave_with_client) as opened:
        table = open_file(opened, file.filename, read, services.settings, Notes())
        rows = (row.cells for row in table.rows() if isinstance(row, Row) and any(map(str.strip, row.cells)))
        return [[cell[:_SHOWN_CHARACTERS] for cell in table.named_cells(cells)] for cells in islice(rows, _SHOWN_ROWS)]


def _prompt(request: Any) -> str | None:
    content = request["messages"][-1].get("content")
    return content[:_SHOWN_PROMPT] if isinstance(content, str) else None
