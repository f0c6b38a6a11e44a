"""The web page at `/`: files of this package, served as they are. Nothing in it needs another host."""

import re
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.http.errors import ApiError

routes = APIRouter(include_in_schema=False)

FOLDER = Path(__file__).parents[1] / "page"
_NAME = re.compile(r"(vendor/)?[a-z_]+\.(css|js|svg)")
_MEDIA_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
}
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
    """The page."""
    return _file(request, "index.html")


@routes.api_route("/page/{name:path}", methods=["GET", "HEAD"])
def get_page_file(request: Request, name: str) -> Response:
    """One of the page's own files."""
    if not _NAME.fullmatch(name):
        raise _unknown()
    return _file(request, name)


def _file(request: Request, name: str) -> Response:
    path = FOLDER / name
    try:
        content = _read(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        raise _unknown() from None
    return send(request, content, name.rpartition(".")[2], HEADERS)


@lru_cache(maxsize=256)
def _read(path: Path, _changed_at: int) -> bytes:
    """One copy for all readers, however slow they are: anybody may ask for it, without a key."""
    return path.read_bytes()


@lru_cache(maxsize=256)
def _tag(content: bytes) -> str:
    return f'"{sha256(content).hexdigest()[:32]}"'


def send(request: Request, content: bytes, kind: str, headers: Mapping[str, str]) -> Response:
    """A file of this kind, which is how its name ends; not sent again to a browser that has it."""
    headers = {**headers, "etag": _tag(content)}
    seen = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if headers["etag"] in seen or "*" in seen:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=_MEDIA_TYPES[kind])


def _unknown() -> ApiError:
    return ApiError(404, "unknown_path", "the page has no such file")
