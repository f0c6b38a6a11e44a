"""Words of the API in the language of the command: statuses, names of fields, and what an error means."""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any, Literal

from longhand.client.objects import why
from longhand.words.catalogue import failure_of_code, known, meaning_of, t, translated

NOT_COMPLETED: tuple[Literal["failed", "expired", "cancelled"], ...] = ("failed", "expired", "cancelled")
"""How a job ends that does not complete."""

_ENGLISH = re.compile(r"[A-Za-z']+(?: [A-Za-z']+){3}")
"""A sentence of which only a part is translated: what its code means must be shown as well. Names with commas between
are none.
"""

QUOTED = frozenset({
    "upstream_rejected", "upstream_rejected_in_stream", "upstream_server_error", "upstream_error_in_stream",
    "upstream_unauthorized", "upstream_quota_spent", "upstream_not_a_stream", "schema_mismatch",
})  # fmt: skip
"""Here the upstream's own words say more than the code. A test holds the list of the page (`faults.js`) equal."""
_NOT_ACCEPTED = "The text was not accepted: "
_NEXT_RULE = re.compile(r"; (?=\w+: asked for )")


def retry_command(batch_id: str, statuses: Collection[str]) -> str:
    """The command that runs the jobs of a batch again that ended so: it must name those that were cancelled."""
    which = " --which " + ",".join(one for one in NOT_COMPLETED if one in statuses) if "cancelled" in statuses else ""
    return f"longhand retry {batch_id}{which}"


def status_word(status: str) -> str:
    """A status, as a person reads it."""
    return _word(f"status.{status}", status)


def source_word(source: str) -> str:
    """Who counted tokens."""
    return _word(f"source.{source}", source)


def limit_word(limit: str) -> str:
    """What a job waits for, in a word or two."""
    return _word(f"limit.{limit}", limit.replace("_", " "))


def heading(name: str) -> str:
    """The heading of a column or a row."""
    return _word(f"heading.{name}", name)


def text_of_words(job: Mapping[str, Any]) -> str | None:
    """Whose text is stored, if it is not the last attempt's."""
    wrote = job.get("text_attempt")
    return t("show.text_of", attempt=wrote) if wrote and wrote != job["attempt"] else None


def changed_parameters_words(job: Mapping[str, Any]) -> str:
    """Which parameters of the request were sent by another name, or not at all; empty when none was."""
    changed = (job.get("message") or {}).get("changed_parameters") or {}
    said = (
        t("show.renamed", name=name, other=other) if other else t("show.not_sent", name=name)
        for name, other in changed.items()
    )
    return t("join.comma").join(said)


def cut_short_words(job: Mapping[str, Any]) -> str:
    """That the text of a completed job was cut short, and why; empty for a whole one."""
    incomplete = job.get("incomplete")
    if not incomplete:
        return ""
    key = f"cut_short.{incomplete['reason']}"
    return t(key) if known(key) else t("cut_short.other", reason=incomplete["reason"])


def reason(owner: Any) -> str:
    """What went wrong with a job or an attempt, in one line; empty when nothing did, and where its status says it."""
    if owner.get("status") == "cancelled":
        return ""
    line, error = why(owner), owner.get("error")
    if not error or not meaning_of(error["code"]):
        return line
    message = " ".join((error["message"] or "").split())
    if message.startswith(_NOT_ACCEPTED):
        rules = _NEXT_RULE.split(message.removeprefix(_NOT_ACCEPTED))
        return t("error.of_code", code=error["code"], meaning=t("error.not_accepted", rules=t("join.semicolon").join(
            map(translated, rules))))  # fmt: skip
    return t("error.of_code", code=error["code"], meaning=with_meaning(error["code"], message))


def plain_reason(owner: Any) -> str:
    """What went wrong with a job, as the page says it: many that failed for one cause have one sentence."""
    error = owner.get("error")
    if owner.get("status") == "cancelled" or not error:
        return ""
    code, message = str(error["code"]), " ".join((error["message"] or "").split())
    said = _in_words(message)
    if meaning := failure_of_code(code):
        quoted = t("watch.said", meaning=meaning, said=said) if said and code in QUOTED else meaning
        return t("error.of_code", code=code, meaning=quoted)
    return reason({**owner, "error": {"code": code, "message": said}})


def _in_words(message: str) -> str:
    """What a person can read of an answer that is quoted as JSON."""
    try:
        answer = json.loads(message[message.index("{") :])
        found = answer.get("error") or answer
        found = found.get("message") or found.get("detail") if isinstance(found, dict) else found
    except (ValueError, RecursionError):
        return message
    return found if isinstance(found, str) and found else message


def explained(error: object) -> str:
    """What an error or a note says."""
    return with_meaning(getattr(error, "code", None), str(error))


def with_meaning(code: str | None, message: str) -> str:
    """A message in the spoken language; one that the catalogue does not know stands behind what its code means."""
    shown = "\n".join(map(translated, message.splitlines()))
    meaning = meaning_of(code)
    # What others have said stays as it is, after what Longhand says of it.
    if not meaning or (shown != message and not _ENGLISH.search(shown.partition("（原文：")[0])):
        return shown
    return t("error.meaning", meaning=meaning, message=shown) if shown else meaning


def _word(key: str, name: str) -> str:
    return t(key) if known(key) else name
