"""The commands about this machine: `logs` and `settings`. They ask no running Longhand."""

import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr

from jobs.settings import PREFIX, load_settings
from longhand.cli.arguments import AsJson
from longhand.client.connection import running_url, url_file
from longhand.client.errors import InputError
from longhand.terminal import lists, tables
from longhand.terminal.output import print_json, print_json_line, print_line
from longhand.words.catalogue import t

_LOOK_SECONDS = 0.3
_BLOCK = 1 << 16


def logs(
    name: Annotated[str, typer.Argument(metavar="[NAME]")] = "",
    lines: Annotated[int, typer.Option("--lines", "-n", min=1)] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what the processes of `longhand up` have logged, from the folder `logs` of LONGHAND_HOME."""
    folder = load_settings().home / "logs"
    found = sorted(folder.glob("*.log"))
    chosen = [path for path in found if name in ("", path.stem)]
    if not chosen:
        there = ", ".join(path.stem for path in found) or t("logs.there_are_none")
        named = t("logs.no_such", folder=folder, name=repr(name), there=there)
        raise InputError(named if name else t("logs.none", folder=folder))

    def show(path: Path, shown: list[str]) -> None:
        for line in shown:
            if as_json:
                print_json_line({"log": path.stem, "line": line})
            else:
                print_line(f"{path.stem}: {line}" if len(chosen) > 1 else line)

    places = {path: path.stat().st_size for path in chosen}
    for path in chosen:
        show(path, _last_lines(path, places[path], lines))
    while follow:
        time.sleep(_LOOK_SECONDS)
        for path in chosen:
            new, places[path] = _new_lines(path, places[path])
            show(path, new)


def settings(as_json: AsJson = False) -> None:
    """Show every setting with its value here and where that comes from. Secrets are not shown."""
    loaded = load_settings()
    running = None if "url" in loaded.model_fields_set else running_url()
    shown = {**dict(loaded), "url": running} if running else dict(loaded)
    rows = [_setting(name, value) for name, value in shown.items()]
    if as_json:
        print_json(rows)
    else:
        found_in = {PREFIX + "URL": str(url_file())} if running else {}
        tables.table_console().print(lists.settings_table(rows, found_in))


def _setting(field: str, value: Any) -> dict[str, Any]:
    name = PREFIX + field.upper()
    is_set = bool(os.environ.get(name))
    shown = None if value is None else _without_secret(field, value)
    return {"name": name, "value": shown, "is_set": is_set}


def _without_secret(field: str, value: Any) -> Any:
    if isinstance(value, SecretStr) or field == "upstream_headers":
        return "(hidden)" if value else None
    if field.endswith("url"):
        return tables.without_secret(str(value))
    if isinstance(value, tuple):
        return [str(item) for item in value]
    return value if isinstance(value, bool | int | float) else str(value)


def _last_lines(path: Path, size: int, count: int) -> list[str]:
    """The last lines of a file up to a size, read from its end."""
    with path.open("rb") as file:
        start, found = size, b""
        while start > 0 and found.count(b"\n") <= count:
            start = max(0, start - _BLOCK)
            file.seek(start)
            found = file.read(size - start)
    return found.decode(errors="replace").splitlines()[-count:]


def _new_lines(path: Path, place: int) -> tuple[list[str], int]:
    """The whole lines after a place, and the place after them. A file that was begun anew is read from its start."""
    if not path.exists():
        return [], 0
    place = place if place <= path.stat().st_size else 0
    with path.open("rb") as file:
        file.seek(place)
        new = file.read()
    whole = new[: new.rfind(b"\n") + 1]
    return whole.decode(errors="replace").splitlines(), place + len(whole)
