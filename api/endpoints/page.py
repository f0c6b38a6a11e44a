"""The web page at `/`: files of this package, served as they are. Nothing in it needs another host."""

import gzip
import re
import time
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.http.errors import ApiError

routes = APIRouter(include_in_schema=False)

FOLDER = Path(__file__).parents[1] / "page"
_NAME = re.compile(r"(?:([0-9a-f]{16})/)?((?:vendor/)?[a-z_]+\.(?:css|js|svg))")
_MEDIA_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
}
_FOR_EVER = "public, max-age=31536000, immutable"
HEADERS = {
    # Revalidated each time, mostly with a 304: the files of two versions must not meet in one page.
    "cache-control": "no-cache",
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    # Where it is known, the browser itself refuses to read any text as HTML.
    " require-trusted-types-for 'script'; trusted-types 'none'",
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
}


@routes.api_route("/", methods=["GET", "HEAD"])
def get_page(request: Request) -> Response:
    """The page. It names its files with their version, so that a browser asks for each one only once."""
    return send(request, _index(_changes(int(time.monotonic()))), "html", HEADERS)


@routes.api_route("/page/{name:path}", methods=["GET", "HEAD"])
def get_page_file(request: Request, name: str) -> Response:
    """One of the page's own files, with or without its version before it."""
    named = _NAME.fullmatch(name)
    if named is None:
        raise _unknown()
    version, file = named.groups()
    changes = _changes(int(time.monotonic()))
    # No name of a client's is looked up in the folder: one may be longer than a name of a file can be.
    changed_at = dict(changes).get(file)
    if changed_at is None:
        raise _unknown()
    content = _read(FOLDER / file, changed_at)
    is_this_version = version is not None and version == _version(changes)
    headers = {**HEADERS, "cache-control": _FOR_EVER} if is_this_version else HEADERS
    return send(request, content, file.rpartition(".")[2], headers)


@lru_cache(maxsize=1)
def _changes(_second: int) -> tuple[tuple[str, int], ...]:
    """Which files there are, and when each one changed: a developer's edit is seen a second later."""
    return tuple(sorted((str(path.relative_to(FOLDER)), path.stat().st_mtime_ns) for path in FOLDER.rglob("*.*")))


@lru_cache(maxsize=8)
def _version(changes: tuple[tuple[str, int], ...]) -> str:
    """The same in every process that serves the same files."""
    whole = sha256()
    for name, _ in changes:
        content = (FOLDER / name).read_bytes()
        whole.update(f"{name} {len(content)}\n".encode() + content)
    return whole.hexdigest()[:16]


@lru_cache(maxsize=8)
def _index(changes: tuple[tuple[str, int], ...]) -> bytes:
    """index.html with the version in every path. The modules are named in it, because a browser would otherwise find
    them level by level, each a trip to the server.
    """
    modules = [name for name, _ in changes if name.endswith(".js") and not name.startswith(("words_", "early."))]
    preloads = "".join(f'<link rel="modulepreload" href="/page/{name}">\n' for name in modules)
    html = (FOLDER / "index.html").read_text().replace("<script type=", preloads + "<script type=")
    return html.replace('"/page/', f'"/page/{_version(changes)}/').encode()


@lru_cache(maxsize=256)
def _read(path: Path, _changed_at: int) -> bytes:
    """One copy for all readers, however slow they are: anybody may ask for it, without a key."""
    return path.read_bytes()


@lru_cache(maxsize=256)
def _tag(content: bytes) -> str:
    return f'"{sha256(content).hexdigest()[:32]}"'


@lru_cache(maxsize=256)
def _packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def _takes_gzip(request: Request) -> bool:
    """Whether the client says so, and not that it never wants it."""
    named = (part.partition(";") for part in request.headers.get("accept-encoding", "").lower().split(","))
    return any(name.strip() == "gzip" and weight.strip() not in ("q=0", "q=0.0") for name, _, weight in named)


def send(request: Request, content: bytes, kind: str, headers: Mapping[str, str]) -> Response:
    """A file of this kind, which is how its name ends; not sent again to a browser that has it."""
    headers = {**headers, "etag": _tag(content), "vary": "accept-encoding"}
    if _takes_gzip(request):
        content = _packed(content)
        headers |= {"content-encoding": "gzip", "etag": _tag(content)}
    seen = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if headers["etag"] in seen or "*" in seen:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=_MEDIA_TYPES[kind])


def _unknown() -> ApiError:
    return ApiError(404, "unknown_path", "the page has no such file")
