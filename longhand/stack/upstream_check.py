"""Asks the upstream once, when the stack has started, so that you see a wrong address or key before the first job."""

import threading
from collections.abc import Callable

import httpx

from jobs.settings import Settings
from longhand.words.catalogue import t

_SECONDS = 30.0


def report_upstream_answer(url: str, settings: Settings, report: Callable[[str], None]) -> None:
    """Ask the API at `url` for the models, which asks every upstream, and report in one line how that went.

    Returns at once: the line comes when the answer does. Nothing depends on it, and it costs nothing at the provider.
    """
    threading.Thread(target=_ask, args=(url, settings, report), daemon=True, name="upstream-check").start()


def _ask(url: str, settings: Settings, report: Callable[[str], None]) -> None:
    headers = {"authorization": f"Bearer {settings.api_key.get_secret_value()}"} if settings.api_key else {}
    try:
        with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=_SECONDS) as client:
            line = _line_of(client.get("/v1/models"))
    except httpx.TransportError:
        return  # the stack is ending
    if line:
        report(line)


def _line_of(answer: httpx.Response) -> str:
    if answer.is_success:
        return t("up.upstream_answers", count=len(answer.json()["data"]))
    if answer.status_code == 401:
        return ""  # this Longhand has keys, and the command was given none
    return t("up.upstream_fails", why=answer.json()["error"]["message"])
