"""The API's reference at `/docs`: Swagger UI over `/openapi.json`, all of it from this host.

FastAPI's own page loads its script from a content network: without the internet it stays empty, and with it another
host learns who reads it and says what runs in the reader's browser, beside a key. Here the files are those of the
package `fastapi-offline`, of which nothing else is used.
"""

from functools import lru_cache
from importlib.resources import files

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from api.endpoints.page import HEADERS, send
from api.services import ServicesDep
from jobs.strict_json import dump_json

routes = APIRouter(include_in_schema=False)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Longhand, the API</title>
<link rel="icon" href="/page/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<script src="/docs/swagger-ui-bundle.js" defer></script>
<script src="/docs/begin.js" defer></script>
</head>
<body><div id="reference"><noscript>This page needs JavaScript; what it shows is /openapi.json.</noscript></div></body>
</html>
"""
# Apart from the page, in which the policy allows no script.
_BEGIN = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
});
"""
_HEADERS = {
    **HEADERS,
    # Swagger UI writes style attributes and elements, and descriptions as HTML that it has cleaned.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline';"
    " connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}


@routes.api_route("/docs", methods=["GET", "HEAD"])
def get_reference(request: Request) -> Response:
    """The page."""
    return send(request, _PAGE.encode(), "html", _HEADERS)


@routes.api_route("/docs/begin.js", methods=["GET", "HEAD"])
def get_beginning(request: Request) -> Response:
    """The script that starts it."""
    return send(request, _BEGIN.encode(), "js", _HEADERS)


@routes.api_route("/docs/swagger-ui-bundle.js", methods=["GET", "HEAD"])
def get_script(request: Request) -> Response:
    """Swagger UI."""
    return send(request, _read("swagger-ui-bundle.js"), "js", _HEADERS)


@routes.api_route("/docs/swagger-ui.css", methods=["GET", "HEAD"])
def get_style(request: Request) -> Response:
    """Its style."""
    return send(request, _read("swagger-ui.css"), "css", _HEADERS)


@routes.get("/openapi.json")
async def get_description(request: Request, services: ServicesDep) -> Response:
    """What the page shows. Not FastAPI's own: that makes it on the event loop, for a second in which nothing else goes
    on, and writes it out anew for each request.
    """
    description = await services.description.result(
        lambda: to_thread.run_sync(_describe, request.app, limiter=CapacityLimiter(1))
    )
    return send(request, description, "json", HEADERS)


def _describe(app: FastAPI) -> bytes:
    return dump_json(app.openapi(), ascii_only=False).encode()


@lru_cache
def _read(name: str) -> bytes:
    """One copy for all readers, however slow they are: anybody may ask for it, without a key."""
    return (files("fastapi_offline") / "static" / name).read_bytes()
