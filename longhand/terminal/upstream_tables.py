"""Tables of the upstreams for a terminal."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from longhand.client.objects import Json
from longhand.terminal.explanations import plain_reason, reason, status_word
from longhand.terminal.tables import moment_of, plain_table
from longhand.terminal.waiting_words import LANES, hold_sentence
from longhand.words.catalogue import t, translated

if TYPE_CHECKING:
    # At run time this would load pydantic for every `longhand jobs`.
    from jobs.upstreams import Price, Upstreams, UpstreamSpec

UNKNOWN = "-"


def upstreams_table(listed: list[Json]) -> Table:
    """The running upstreams, each on a line, and below it its models that are in use."""
    per_minute = ("requests_per_minute", "tokens_per_minute")
    names = ("name", "state", "running", "window", *per_minute, "first_delta", "limited_by")
    table = plain_table(*names, fold=names)
    for upstream in listed:
        limits = upstream["limits"]
        table.add_row(
            Text(upstream["name"]),
            _state(upstream),
            _of(upstream["running"], limits["max_streams"]),
            "",
            _of(None, limits["requests_per_minute"]),
            _of(None, limits["tokens_per_minute"]),
            number(upstream["first_delta_seconds"], 2),
            "",
        )
        for lane in upstream["in_use"] or ():
            table.add_row(
                Text(f"  {lane['model']}"),
                "",
                number(lane["running"]),
                number(lane["window"]),
                _of(lane["requests_per_minute"]["used"], lane["requests_per_minute"]["limit"]),
                _of(lane["tokens_per_minute"]["used"], lane["tokens_per_minute"]["limit"]),
                number(lane["first_delta_seconds"], 2),
                Text(lane["limited_by"] or ""),
            )
    return table


def _state(upstream: Json) -> Text:
    """One that is not held may yet refuse all that it is sent, or be sent nothing."""
    if upstream["state"] == "ok" and upstream.get("refused"):
        return Text(status_word("refuses"), style="red")
    if upstream["state"] == "ok" and upstream["first_delta_seconds"] is None:
        return Text(status_word("no_text_yet" if upstream["in_use"] else "not_used"))
    return Text(status_word(upstream["state"] or UNKNOWN), style="red" if upstream["state"] == "held" else "green")


def _is_quoted(hold: Json) -> bool:
    """Whether its message is the upstream's own. That nothing answers there, Longhand has already reported."""
    return hold["held_by"] != "person" and not hold["message"].startswith("No connection to ")


def notes(listed: Json) -> Iterator[str]:
    """What no table has room for: holds, last errors, what limits mean, and what is wrong with the file."""
    for upstream in listed["data"]:
        hold, error = upstream["hold"], upstream["last_error"]
        if hold:
            held = {"kind": "upstream", "target": upstream["name"], "url": upstream["url"], **hold}
            is_quoted = _is_quoted(hold) and not error
            yield hold_sentence(held) + (
                t("upstreams.it_said", message=translated(hold["message"])) if is_quoted else ""
            )
        refused = upstream.get("refused")
        if refused:
            of_last = {"time": moment_of(refused["error"]["at"]), "why": plain_reason({"error": refused["error"]})}
            yield t("upstreams.refused", name=upstream["name"], count=refused["count"], **of_last)
        if error and not (refused and refused["error"]["at"] >= error["at"]):
            why = reason({"error": error})
            yield t("upstreams.last_error", name=upstream["name"], time=moment_of(error["at"]), why=why)
    limits = {lane["limited_by"] for upstream in listed["data"] for lane in upstream["in_use"] or ()}
    yield from (t("upstreams.limited_by", name=name, why=t(f"lane.{name}")) for name in LANES if name in limits)
    for mistake in listed["file_mistakes"]:
        why = translated(mistake["message"])
        if mistake["line"]:
            why = t("show.line", line=mistake["line"], message=why)
        yield t("upstreams.wrong_file", why=why)


def declared_table(upstreams: "Upstreams") -> Table:
    """What a file declares."""
    per_minute = ("requests_per_minute", "tokens_per_minute")
    names = ("name", "url", "key", "models", "tier", "weight", "streams", *per_minute, "more")
    table = plain_table(*names, fold=names)
    for spec in upstreams.specs:
        table.add_row(
            Text(spec.name),
            Text(spec.address),
            t("yes" if spec.api_key else "no"),
            Text(" ".join(spec.models)),
            str(spec.tier),
            number(spec.weight, 3),
            number(spec.max_streams),
            number(spec.requests_per_minute),
            number(spec.tokens_per_minute),
            Text(t("join.comma").join(_more(spec))),
        )
    return table


def _more(spec: "UpstreamSpec") -> Iterator[str]:
    """The rest, as far as it says something, without any secret."""
    clocks = (spec.first_delta_seconds, spec.between_deltas_seconds, spec.total_seconds)
    yield t("declared.clocks", seconds="/".join(f"{seconds:g}" for seconds in clocks))
    yield from (t("declared.renamed", here=here, there=there) for here, there in spec.rename.items())
    if spec.headers:
        yield t("declared.headers", names=" ".join(spec.headers))
    for name, other in spec.parameters.items():
        yield t("declared.sent_as", name=name, other=other) if other else t("declared.not_sent", name=name)
    if spec.prefix != "none":
        yield t("declared.prefix", way=spec.prefix)
    if spec.think_tags:
        yield t("declared.think_tags")
    if not spec.loop_guard:
        yield t("declared.no_loop_guard")
    if not spec.usage:
        yield t("declared.no_usage")
    if spec.proxy:
        yield t("declared.proxy", where=spec.proxy.where)
    if spec.ca_file:
        yield t("declared.ca_file", name=spec.ca_file.name)
    for price in spec.prices:
        yield from _price(price)


def _price(price: "Price") -> Iterator[str]:
    kinds = (("input", price.input), ("cached", price.cached), ("output", price.output))
    prices = [t(f"declared.{kind}", amount=f"{amount:g}") for kind, amount in kinds if amount is not None]
    if prices:
        key = "declared.price" if price.models == ("*",) else "declared.price_of"
        yield t(key, models=" ".join(price.models), prices=" ".join(prices), currency=price.currency)


def _of(used: float | None, limit: float | None) -> str:
    return t("upstreams.of", used=number(used), limit=number(limit)) if limit is not None else number(used)


def number(value: float | None, digits: int = 0) -> str:
    """A number with commas; a dash when it is not known."""
    if value is None:
        return UNKNOWN
    return f"{value:,.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:,.0f}"
