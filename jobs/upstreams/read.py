"""From the text of an upstreams file to the upstreams, or to every mistake in it."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from jobs.setting_types import TEN_YEARS, PrefixForm
from jobs.settings import Settings
from jobs.upstreams.lines import find_lines
from jobs.upstreams.mistakes import Mistake, Mistakes
from jobs.upstreams.price import DEFAULT_CURRENCY, Price
from jobs.upstreams.spec import DEFAULT_WEIGHT, Upstreams, UpstreamSpec
from jobs.upstreams.table import Table
from jobs.upstreams.values import check_pattern, currency_of, name_of, project_of
from jobs.upstreams.wire import Wire

UPSTREAM_KEYS = [
    "name", "url", "api_key_env", "api_key_file", "models", "rename", "tier", "weight", "max_streams",
    "requests_per_minute", "tokens_per_minute", "first_delta_seconds", "between_deltas_seconds", "total_seconds",
    "prefix", "headers", "parameters", "think_tags", "loop_guard", "usage", "proxy", "ca_file", "price",
]  # fmt: skip
_PREFIX_FORMS: tuple[PrefixForm, ...] = get_args(PrefixForm)
_LEAST_WEIGHT, _MOST_WEIGHT = 0.001, 1000.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What one reading of the file gave. The upstreams count only if there is no mistake."""

    upstreams: Upstreams
    mistakes: tuple[Mistake, ...]
    also_read: frozenset[Path] = frozenset()
    """The files of keys and certificates that it names."""


def read_upstreams(
    content: bytes, folder: Path, settings: Settings, port: int = 0, *, needs_keys: bool = True
) -> Reading:
    """The upstreams that `content`, a TOML file in `folder`, declares. What it leaves open comes from the settings.

    `port` is where this Longhand answers; 0: not known. Without `needs_keys`, keys that this process cannot have are
    no mistakes, and their upstreams have none.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _unreadable(content.count(b"\n", 0, error.start) + 1, "the file is not text in UTF-8")
    try:
        found = tomllib.loads(text)
        lines = find_lines(text)
    except RecursionError:
        return _unreadable(1, "the file nests its values too deeply")
    except ValueError as error:
        reason = re.sub(r" \(at (line \d+, column \d+|end of document)\)$", "", str(error))
        return _unreadable(_line_of(error, text), f"this is not TOML: {reason}")
    mistakes = Mistakes(lines, needs_keys=needs_keys)
    wire = Wire(folder, settings, port)
    upstreams = Upstreams(_read_all(found, mistakes, settings, wire), _read_projects(found, mistakes))
    return Reading(upstreams, mistakes.sorted(), frozenset(wire.also_read))


def _unreadable(line: int, message: str) -> Reading:
    return Reading(Upstreams(), (Mistake(line, message),))


def _line_of(error: ValueError, text: str) -> int:
    found = re.search(r"\(at line (\d+), column \d+\)$", str(error))
    return int(found.group(1)) if found else text.rstrip().count("\n") + 1


def _read_all(
    found: Mapping[str, object], mistakes: Mistakes, settings: Settings, wire: Wire
) -> tuple[UpstreamSpec, ...]:
    Table(found, (), mistakes).refuse_unknown(("upstream", "project"))
    specs: dict[str, UpstreamSpec] = {}
    numbers: dict[str, int] = {}
    tables = _tables(found, "upstream", mistakes)
    for number, table in enumerate(tables):
        before = len(mistakes)
        spec = _read_one(table, settings, wire)
        first = numbers.setdefault(spec.name, number)
        if spec.name and first != number:
            line = mistakes.line(("upstream", first, "name"))
            table.note(f"there is an upstream {spec.name!r} on line {line} already", "name")
        if len(mistakes) == before:
            specs[spec.name] = spec
    if not tables and not len(mistakes):
        mistakes.note((), "there is no upstream in it: begin one with [[upstream]]")
    return tuple(specs.values())


def _tables(found: Mapping[str, object], name: str, mistakes: Mistakes) -> list[Table]:
    listed = found.get(name, [])
    if not isinstance(listed, list) or not all(isinstance(table, dict) for table in listed):
        mistakes.note((name,), f"each {name} begins with [[{name}]], in double brackets, on a line of its own")
        return []
    return [Table(table, (name, number), mistakes) for number, table in enumerate(listed)]


def _read_one(table: Table, settings: Settings, wire: Wire) -> UpstreamSpec:
    table.refuse_unknown(UPSTREAM_KEYS)
    for needed in ("name", "url"):
        if not table.has(needed):
            table.note(f"this upstream has no {needed}")
    url = wire.read_url(table)
    models = _read_models(table)
    ca_file, ca_changed_at = wire.read_certificates(table)
    return UpstreamSpec(
        name=table.take("name", name_of, ""),
        url=url,
        api_key=wire.read_key(table),
        models=models,
        rename=_read_rename(table, models),
        tier=table.whole("tier", 0, least=0, most=1000) or 0,
        weight=_read_weight(table),
        max_streams=table.whole("max_streams", None, least=1, most=1_000_000),
        requests_per_minute=table.number("requests_per_minute", None),
        tokens_per_minute=table.number("tokens_per_minute", None),
        first_delta_seconds=_read_clock(table, "first_delta_seconds", settings.first_delta_seconds),
        between_deltas_seconds=_read_clock(table, "between_deltas_seconds", settings.between_deltas_seconds),
        total_seconds=_read_clock(table, "total_seconds", settings.total_seconds),
        prefix=table.take("prefix", _prefix_form_of, "none"),
        headers=wire.read_headers(table),
        parameters=wire.read_parameters(table),
        think_tags=table.flag("think_tags", default=False),
        loop_guard=table.flag("loop_guard", default=settings.loop_guard),
        usage=table.flag("usage", default=True),
        proxy=wire.read_proxy(table, url),
        ca_file=ca_file,
        ca_changed_at=ca_changed_at,
        prices=_read_prices(table),
    )


def _read_prices(table: Table) -> tuple[Price, ...]:
    """One price for all models, or a list of them, each for the models that it names."""
    prices = []
    for each in table.below_each("price", "{ input = 2.0, output = 8.0 }"):
        each.refuse_unknown(("input", "cached", "output", "currency", "models"))
        input_price, cached, output = (each.number(kind, None, least=0) for kind in ("input", "cached", "output"))
        currency = each.take("currency", currency_of, DEFAULT_CURRENCY)
        prices.append(Price(input_price, cached, output, currency, _read_models(each)))
    return tuple(prices)


def _read_models(table: Table) -> tuple[str, ...]:
    models = table.texts("models", ("*",))
    for number, pattern in enumerate(models):
        try:
            check_pattern(pattern)
        except ValueError as error:
            table.note(f"models {error}", "models", number)
    return models


def _read_rename(table: Table, models: tuple[str, ...]) -> Mapping[str, str]:
    renamed: dict[str, str] = {}
    for model, name in table.pairs("rename", '{ "gpt-4.1" = "openai/gpt-4.1" }').items():
        if not isinstance(name, str) or not name.strip():
            table.note(f"rename must give the upstream's own name of {model[:80]!r} as a text", "rename", model)
        elif not UpstreamSpec(name="", url="", models=models).takes(model):
            table.note(
                f"rename names {model[:80]!r}, which models does not match: it would never be asked for",
                "rename",
                model,
            )
        else:
            renamed[model] = name
    return renamed


def _read_weight(table: Table) -> float:
    weight = table.number("weight", DEFAULT_WEIGHT, least=_LEAST_WEIGHT, most=_MOST_WEIGHT)
    return DEFAULT_WEIGHT if weight is None else weight


def _read_clock(table: Table, key: str, default: float) -> float:
    return table.number(key, None, most=TEN_YEARS) or default


def _prefix_form_of(text: str) -> PrefixForm:
    for form in _PREFIX_FORMS:
        if form == text:
            return form
    raise ValueError(f"must be one of {', '.join(_PREFIX_FORMS)} (it is {text[:80]!r})")


def _read_projects(found: Mapping[str, object], mistakes: Mistakes) -> Mapping[str, float]:
    weights: dict[str, float] = {}
    for table in _tables(found, "project", mistakes):
        table.refuse_unknown(("name", "weight"))
        name = table.take("name", project_of, "")
        if not table.has("name"):
            table.note("this project has no name")
        if not table.has("weight"):
            table.note("this project has no weight: it says which share it gets against others, which have 1")
        if name in weights:
            table.note(f"the project {name!r} has a weight already", "name")
        weight = _read_weight(table)
        if name:
            weights[name] = weight
    return weights
