"""The keys of an upstream that say how to talk to it: address, key, headers, parameters, proxy, certificates."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from jobs.proxy import Proxy, find_proxy, proxy_of
from jobs.settings import Settings, SettingsError
from jobs.upstream_address import is_same_service
from jobs.upstreams.table import Table
from jobs.upstreams.values import (
    certificates_of,
    from_environment,
    from_file,
    header_name_of,
    header_value_of,
    key_of,
    resolve,
    url_of,
)

DIRECT = "none"
"""As a proxy: the upstream is reached without one, whatever HTTPS_PROXY says."""

_KEYS = "api_key_env or api_key_file"
_ALWAYS_SENT = ("messages", "stream")


class Wire:
    """Reads these keys, and notes which other files were read for them."""

    def __init__(self, folder: Path, settings: Settings, port: int = 0) -> None:
        self.also_read: set[Path] = set()
        self._folder = folder
        self._own_addresses = [settings.url, *([f"http://localhost:{port}"] if port else [])]

    def read_url(self, table: Table) -> str:
        url = table.take("url", url_of, "")
        if url and any(is_same_service(url, own) for own in self._own_addresses):
            table.note("url is the address of Longhand itself: give that of the endpoint that is to write", "url")
        return url

    def read_key(self, table: Table) -> SecretStr | None:
        if table.has("api_key_env") and table.has("api_key_file"):
            table.note("there are both api_key_env and api_key_file: leave one of them out", "api_key_file")
            return None
        if table.has("api_key_file"):
            return table.take("api_key_file", lambda path: key_of(from_file(path, self._read_path)), None)
        return table.take("api_key_env", lambda name: key_of(from_environment(name)), None)

    def read_headers(self, table: Table) -> Mapping[str, SecretStr]:
        headers: dict[str, SecretStr] = {}
        has_key = table.has("api_key_env") or table.has("api_key_file")
        names: dict[str, str] = {}
        for name, value in table.pairs("headers", '{ "api-key" = "env:AZURE_KEY" }').items():
            shown, twin = f"the header {name[:80]!r}", names.setdefault(name.lower(), name)
            if twin != name:
                table.note(f"{shown} is there twice, also as {twin!r}", "headers", name)
            elif name.lower() == "authorization" and has_key:
                table.note(f"{shown} is what {_KEYS} sets: leave one of them out", "headers", name)
            elif not isinstance(value, str):
                table.note(f'{shown} must be a text in quotes, or "env:NAME" or "file:PATH"', "headers", name)
            else:
                try:
                    headers[header_name_of(name)] = header_value_of(value, self._read_path)
                except ValueError as error:
                    table.note_error(shown, error, "headers", name)
        return headers

    def read_parameters(self, table: Table) -> Mapping[str, str | bool]:
        parameters: dict[str, str | bool] = {}
        targets: dict[str, str] = {}
        for name, target in table.pairs("parameters", '{ max_tokens = "max_completion_tokens" }').items():
            shown = f"the parameter {name[:80]!r}"
            if name in _ALWAYS_SENT or (isinstance(target, str) and target in {*_ALWAYS_SENT, "model"}):
                table.note(
                    f"{shown} cannot be changed so: model, messages and stream are Longhand's", "parameters", name
                )
            elif target is False:
                parameters[name] = False
            elif not isinstance(target, str) or not target.strip():
                table.note(f"{shown} must be another name for it, or false: then it is not sent", "parameters", name)
            elif targets.setdefault(target, name) != name:
                table.note(f"{shown} would be sent as {target!r}, as {targets[target]!r} is", "parameters", name)
            else:
                parameters[name] = target
        return parameters

    def read_proxy(self, table: Table, url: str) -> Proxy | None:
        address = table.text("proxy")
        if address is None:
            return self._find_proxy(table, url) if not table.has("proxy") else None
        if address == DIRECT:
            return None
        try:
            return proxy_of(resolve(address, self._read_path))
        except ValueError as error:
            table.note_error("proxy", error, "proxy", otherwise=f' (or "{DIRECT}": directly)')
            return None

    def read_certificates(self, table: Table) -> tuple[Path | None, int]:
        path = table.take("ca_file", lambda text: certificates_of(text, self._read_path), None)
        try:
            return path, path.stat().st_mtime_ns if path else 0
        except OSError:  # it went away just now; the next reading says so
            return path, 0

    def _find_proxy(self, table: Table, url: str) -> Proxy | None:
        try:
            return find_proxy(url) if url else None
        except SettingsError as error:
            table.note(f'this upstream cannot be reached: {error}, or say proxy = "{DIRECT}" here', "url")
            return None

    def _read_path(self, text: str) -> Path:
        if "\0" in text:
            raise ValueError("names a path with a NUL in it")
        path = self._folder / (Path.home() / text[2:] if text.startswith("~/") else text)
        self.also_read.add(path)
        return path
