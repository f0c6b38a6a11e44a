"""Asks each upstream for its models, when the stack has started, so that you see a wrong address or key before the
first job. It costs nothing at the provider, and nothing depends on it.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

import httpcore

from api.model_lists.model_lists import count_taken, find_items
from api.model_lists.upstream_get import LONGEST_LIST, NO_ANSWER, UpstreamAnswer, UpstreamGet, why_unreached
from jobs.upstreams import UpstreamSpec
from longhand.words.catalogue import t, translated

_SECONDS = 20.0

_MAY_PASS = (408, 429)
"""With all that is 500 and more: the address is right."""


def report_upstream_answers(specs: Sequence[UpstreamSpec], report: Callable[[str], None]) -> None:
    """Report in one line for each upstream how it answers. Returns at once: a line comes when its answer does."""
    asking = threading.Thread(target=lambda: asyncio.run(_ask_all(specs, report)), daemon=True, name="upstream-check")
    asking.start()


async def _ask_all(specs: Sequence[UpstreamSpec], report: Callable[[str], None]) -> None:
    async def ask(spec: UpstreamSpec) -> None:
        report(await _line_of(spec))

    await asyncio.gather(*(ask(spec) for spec in specs))


async def _line_of(spec: UpstreamSpec) -> str:
    try:
        async with asyncio.timeout(_SECONDS):
            answer = await UpstreamGet(spec).read("/models", LONGEST_LIST)
    except (httpcore.TimeoutException, TimeoutError):
        return t("up.upstream_silent", name=spec.name, url=spec.address, seconds=f"{_SECONDS:g}")
    except NO_ANSWER as error:
        return t("up.upstream_away", name=spec.name, url=spec.address, why=translated(why_unreached(error)))
    return _judge(spec, answer)


def _judge(spec: UpstreamSpec, answer: UpstreamAnswer) -> str:
    status = answer.status
    if status in (401, 403):
        has_key = spec.api_key is not None or bool(spec.headers) or "?" in spec.url
        return t("up.upstream_key" if has_key else "up.upstream_no_key", name=spec.name, status=status)
    said = {"name": spec.name, "url": f"{spec.address.rstrip('/').removesuffix('/chat/completions')}/models"}
    if status >= 500 or status in _MAY_PASS:
        return t("up.upstream_fails", **said, status=status)
    items = _items_in(answer.body or b"") if 200 <= status < 300 else None
    if items is None:
        return t("up.upstream_no_list", **said, status=status)
    taken = count_taken(spec, items)
    if items and not taken:
        return t("up.upstream_takes_none", name=spec.name, count=len(items))
    return t("up.upstream_models", name=spec.name, count=taken)


def _items_in(body: bytes) -> list[dict[str, Any]] | None:
    try:
        return find_items(json.loads(body))
    except (ValueError, RecursionError):
        return None
