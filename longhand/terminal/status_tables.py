"""The state of the whole for a terminal: lines and tables of what `GET /v1/status` answers."""

import time
from collections.abc import Collection, Iterator, Sequence

from rich.table import Table
from rich.text import Text

from longhand.client.objects import Json
from longhand.terminal import upstream_tables
from longhand.terminal.cells import duration, one_line
from longhand.terminal.explanations import limit_word, status_word
from longhand.terminal.tables import plain_table
from longhand.terminal.upstream_tables import UNKNOWN, number
from longhand.terminal.waiting_words import hold_sentence, waits_sentence
from longhand.words.catalogue import t

_STYLES = {"running": "green", "draining": "yellow", "lost": "red"}


def is_well(found: Json) -> bool:
    """Whether the database and Redis answer and a worker runs."""
    answers = found["database"]["state"] == found["redis"]["state"] == "ok"
    return answers and any(worker["state"] == "running" for worker in found["workers"] or ())


def services_lines(found: Json) -> Iterator[str]:
    """The version, the database and Redis."""
    project = t("state.project", name=found["project"]) if found["project"] else ""
    yield f"longhand {found['version']}{project}"
    database = found["database"]
    revision = t("state.revision", revision=database["revision"]) if database["revision"] else ""
    if revision and database["revision"] != database["needed_revision"]:
        revision += t("state.other_revision", needed=database["needed_revision"])
    yield t("state.database", state=_answer(database), revision=revision)
    yield t("state.redis", state=_answer(found["redis"]))


def workers_table(workers: Sequence[Json]) -> Table:
    """The workers, one on each line."""
    names = ("worker", "state", "running", "free", "last_sign", "version")
    table = plain_table(*names, fold=names)
    for worker in workers:
        table.add_row(
            Text(one_line(worker["name"])),
            Text(status_word(worker["state"]), style=_STYLES[worker["state"]]),
            number(worker["running"]),
            number(worker["free"]),
            t("state.ago", time=duration(max(0.0, time.time() - worker["seen_at"]))),
            Text(one_line(worker["version"] or UNKNOWN)),
        )
    return table


def queue_table(lines: Sequence[Json]) -> Table:
    """The jobs by project and model, and why the first of each waits."""
    names = ("project", "model", "queued", "running", "waits_for")
    table = plain_table(*names, fold=names)
    for line in lines:
        queued = number(line["queued"]) + ("" if line["counted_all"] else t("state.and_more"))
        reason = "" if line["limited_by"] is None else limit_word(line["limited_by"])
        table.add_row(
            Text(line["project"]), Text(one_line(line["model"])), queued, number(line["running"]), Text(reason)
        )
    return table


def notes(found: Json) -> Sequence[str]:
    """What no table has room for: what is missing, why work waits, holds, last errors; each once."""
    return list(dict.fromkeys(_notes(found)))


def _notes(found: Json) -> Iterator[str]:
    if found["workers"] is None:
        yield t("state.workers_unknown")
    elif not any(worker["state"] != "lost" for worker in found["workers"]):
        yield t("state.no_worker" if found["workers_complete"] else "state.no_busy_worker")
    else:
        yield from (_lost(worker) for worker in found["workers"] if worker["state"] == "lost")
    if found["queue"] is None:
        yield t("state.queue_unknown")
    held = {("upstream", upstream["name"]) for upstream in found["upstreams"] or () if upstream["hold"]}
    reasons = {waits_sentence(line) for line in found["queue"] or () if not _is_told_elsewhere(line, held)}
    reasons |= {hold_sentence(hold) for hold in found["held"] or ()}
    yield from sorted(reasons - {""})
    if found["queue_has_more"]:
        yield t("state.more_models")
    if found["upstreams"]:
        yield from upstream_tables.notes({"data": found["upstreams"], "file_mistakes": found["file_mistakes"]})


def _is_told_elsewhere(line: Json, held: Collection[tuple[str, str]]) -> bool:
    """By a line about workers or upstreams. These were read at another moment, with another time of the next try."""
    hold = line.get("hold")
    return line["limited_by"] == "no_worker" or (hold is not None and (hold["kind"], hold["target"]) in held)


def _lost(worker: Json) -> str:
    """Since when, and what becomes of its jobs."""
    said = {"name": one_line(worker["name"]), "ago": duration(max(0.0, time.time() - worker["seen_at"]))}
    if not worker["running"]:
        return t("state.lost_without_jobs", **said)
    left = duration(max(0.0, (worker.get("lease_until") or 0.0) - time.time()))
    return t("state.lost_with_jobs", **said, count=worker["running"], left=left)


def _answer(look: Json) -> str:
    if look["state"] == "ok" and look["latency_ms"] is not None:
        return t("state.ok_in", ms=f"{look['latency_ms']:.1f}")
    return t(f"state.{look['state']}")
