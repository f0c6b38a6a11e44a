"""The results of a batch as one download, streamed in input order, also while the batch still runs."""

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import Query
from starlette.responses import Response

from api.access.large_answers import StreamedAnswer
from api.callers.caller import CallerDep
from api.exports import csv_lines, jsonl_lines, md_lines
from api.finding import find_batch
from api.http.parameters import BatchId, v1_routes
from api.services import ServicesDep, reading
from api.zip_export import zip_chunks
from jobs.model.article_names import NameBy, export_stem
from jobs.store.groups_by_bytes import Also, most_bytes_at_once
from jobs.store.queries import stream_results

routes = v1_routes("query")

_MEDIA_TYPES = {
    "jsonl": "application/jsonl; charset=utf-8",
    "csv": "text/csv; charset=utf-8; header=present",
    "md": "text/markdown; charset=utf-8",
    "zip": "application/zip",
}
_ALSO: Mapping[str, Collection[Also]] = {"jsonl": ["cells"], "csv": ["request", "cells"]}


@routes.get(
    "/batches/{batch_id}/results",
    response_class=Response,
    responses={200: {"content": {media_type: {} for media_type in _MEDIA_TYPES.values()}}},
)
@reading
def get_results(
    services: ServicesDep,
    caller: CallerDep,
    batch_id: BatchId,
    format: Annotated[  # noqa: A002  # the name of the query parameter
        Literal["jsonl", "csv", "md", "zip"],
        Query(description="JSON Lines, CSV, one Markdown document, or a ZIP with a Markdown file for each article."),
    ] = "jsonl",
    lang: Annotated[
        Literal["en", "zh"], Query(description="The language of headings and remarks; JSON Lines has none.")
    ] = "en",
    name_by: Annotated[
        NameBy,
        Query(
            description="What names the files of a ZIP: the `custom_id`, else the first heading, else the job id; or"
            " first the heading, or only the job id. The other formats have one file."
        ),
    ] = NameBy.CUSTOM_ID,
) -> Response:
    """Every job of a batch in input order, with its status.

    `text` is there for completed jobs alone, and `incomplete` says if it was cut short; what failed, cancelled and
    expired jobs had written is `partial_text`. In a ZIP the name of a text that is not whole ends in `.partial.md`, and
    `remarks.txt` says why.
    """
    batch = find_batch(services, caller, batch_id)
    also = _ALSO.get(format, ())
    results = stream_results(services.database, batch_id, also=also)
    at_once = most_bytes_at_once(services.database, batch_id, also=also)
    match format:
        case "jsonl":
            lines: Iterator[bytes] = jsonl_lines(results)
        case "csv":
            # A prompt may hold half a surrogate pair, which UTF-8 has not.
            lines = (line.encode(errors="replace") for line in csv_lines(results, lang))
        case "md":
            lines = map(str.encode, md_lines(batch, results, lang))
        case "zip":
            lines = zip_chunks(results, lang, name_by)
    name = f'attachment; filename="{batch_id}.{format}"'
    if title := (batch.metadata or {}).get("title"):
        name += f"; filename*=utf-8''{quote(export_stem(batch_id, title), safe='')}.{format}"
    headers = {"content-disposition": name}
    return StreamedAnswer(
        services.answer_budget,
        services.downloads,
        at_once,
        lines,
        media_type=_MEDIA_TYPES[format],
        headers=headers,
    )
