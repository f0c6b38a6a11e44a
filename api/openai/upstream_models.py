"""The upstream's models, as the upstream itself lists them."""

import json
import time
from typing import Any
from urllib.parse import quote

import httpx

from api.errors import ApiError
from jobs.proxy import Proxy, find_proxy
from jobs.settings import Settings

_SECONDS = 20.0
_KEPT_SECONDS = 30.0
_LONGEST_NAME = 256


class Models:
    """Asks the upstream for its models, at most every half a minute for the list."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.upstream_url
        key = settings.upstream_api_key
        headers = {"authorization": f"Bearer {key.get_secret_value()}"} if key else {}
        proxy = find_proxy(settings.upstream_url) if settings.upstream_url else None
        self._client = httpx.AsyncClient(
            headers=headers,
            timeout=_SECONDS,
            follow_redirects=False,
            proxy=_as_httpx(proxy) if proxy else None,
            verify=httpx.create_ssl_context(),
            trust_env=False,  # the workers' way to the upstream, and no other
        )
        self._kept: tuple[float, Any] | None = None

    async def read_list(self) -> Any:
        """The upstream's list of models. Raises `ApiError`."""
        if self._kept is None or self._kept[0] < time.monotonic():
            listed = await self._read("/models")
            self._kept = (time.monotonic() + _KEPT_SECONDS, listed)
        return self._kept[1]

    async def read_one(self, model: str) -> Any:
        """What the upstream says of one model. Raises `ApiError`."""
        parts = model.split("/")
        if len(model) > _LONGEST_NAME or any(part in ("", ".", "..") for part in parts):
            raise _unknown_model()
        return await self._read("/models/" + "/".join(quote(part, safe=":") for part in parts))

    async def close(self) -> None:
        """Give up every connection."""
        await self._client.aclose()

    async def _read(self, path: str) -> Any:
        if self._url is None:
            raise ApiError(
                501,
                "upstream_not_set",
                "LONGHAND_UPSTREAM_URL is not set for this API process, so it cannot ask for the models: set it (and"
                " LONGHAND_UPSTREAM_API_KEY) for the API as for the worker",
                headers={"x-should-retry": "false"},
            )
        # As for the completions: a query in the URL is kept.
        url = httpx.URL(self._url)
        base = url.path.rstrip("/").removesuffix("/chat/completions")
        try:
            response = await self._client.get(url.copy_with(path=base + path, fragment=None))
            content = json.loads(response.content)
        except httpx.TimeoutException:
            raise ApiError(504, "upstream_timeout", f"the upstream did not answer within {_SECONDS:g} s") from None
        except httpx.HTTPError as error:
            said = f"the upstream cannot be asked for its models: {type(error).__name__}"
            raise ApiError(502, "upstream_unreachable", said) from None
        except ValueError:
            raise _strange(response.status_code) from None
        if response.is_success and isinstance(content, dict):
            return content
        if response.status_code == 404:
            raise _unknown_model()
        if response.status_code == 429:
            wait = response.headers.get("retry-after")
            headers = {"Retry-After": wait} if wait and wait.isascii() and wait.isprintable() else None
            raise ApiError(429, "rate_limit_exceeded", "the upstream asks to wait", headers=headers)
        # What it says is not repeated: an upstream that refuses a key likes to quote it.
        raise _strange(response.status_code)


def _as_httpx(proxy: Proxy) -> httpx.Proxy:
    headers = {"Proxy-Authorization": proxy.authorization} if proxy.authorization else {}
    host = f"[{proxy.host}]" if ":" in proxy.host else proxy.host
    return httpx.Proxy(f"http://{host}:{proxy.port}", headers=headers)


def _unknown_model() -> ApiError:
    return ApiError(404, "model_not_found", "the upstream knows no such model", param="model")


def _strange(status: int) -> ApiError:
    kind = "refuses this service's key" if status in (401, 403) else f"answered {status} and no list of models"
    code = "upstream_unauthorized" if status in (401, 403) else "upstream_error"
    return ApiError(502, code, f"the upstream {kind}")
