"""Someone in front of the page, who notes everything that a good page does not do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, expect

PATIENCE_MS = 45_000
"""How long tests wait for what must happen; nothing is measured with it."""

_LOOK_MS = 50
_WIDTH, _HEIGHT = 1280, 800

_TEXTS = """async () => {
  const { shownView } = await import(document.querySelector("script[type=module]").src);
  return Object.fromEntries([...shownView().state.texts].map(([id, text]) => [id, text.text]));
}"""

# What breaks the page's policy is an error like any other.
_POLICY = "document.addEventListener('securitypolicyviolation', (e) => console.error('policy', e.violatedDirective))"

# What Chromium says by itself when a server is away; it is the fault that a test makes, not the page's.
_NETWORK = re.compile(r"net::ERR_(CONNECTION|EMPTY_RESPONSE|INCOMPLETE_CHUNKED|SOCKET|NETWORK)")


class Visit:
    """One browser window with an empty profile."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.context = context
        self.url = url
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.complaints: list[str] = []
        self.requested: list[str] = []
        self.network_lost = False
        """Set by a test that takes the server away."""
        self.refused: set[int] = set()
        """HTTP statuses that a test provokes."""
        self.page.add_init_script(_POLICY)
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("dialog", self._dismiss)
        self.page.on("popup", lambda popup: self.complaints.append(f"popup: {popup.url}"))
        context.on("request", lambda request: self.requested.append(request.url))

    @classmethod
    @contextmanager
    def open(
        cls,
        browser: Browser,
        url: str,
        *,
        width: int = _WIDTH,
        scheme: Literal["light", "dark"] = "light",
        locale: str = "en-US",
        bypasses_policy: bool = False,
    ) -> Iterator[Self]:
        """A window of this width in a browser of this language, with an empty profile. A test that runs a script of its
        own, and not one of the page's, bypasses the page's policy.
        """
        context = browser.new_context(
            viewport={"width": width, "height": _HEIGHT},
            color_scheme=scheme,
            locale=locale,
            bypass_csp=bypasses_policy,
            reduced_motion="reduce",
            accept_downloads=True,
        )
        try:
            yield cls(context, url)
        finally:
            context.close()

    def anew(self) -> Iterator["Visit"]:
        """For a fixture: somebody else, who at the end has seen no error and asked no other host."""
        self.begin_anew()
        yield self
        self.assert_clean()

    def begin_anew(self) -> None:
        """Be someone else with an empty profile, in the same window: a new one costs a second of CPU time."""
        for page in self.context.pages:
            if page is not self.page:
                page.close()
        self.page.unroute_all()
        # Of the same origin, nothing that runs, and in the browser's cache.
        self.page.goto(f"{self.url}/page/icon.svg")
        self.page.evaluate("localStorage.clear(); sessionStorage.clear()")
        self.page.set_viewport_size({"width": _WIDTH, "height": _HEIGHT})
        self.network_lost, self.refused = False, set()
        self.complaints.clear()
        self.requested.clear()

    def narrow(self, width: int) -> None:
        """Be on a screen of this width, until the next one begins anew."""
        self.page.set_viewport_size({"width": width, "height": _HEIGHT})

    def go(self, route: str) -> None:
        """Open the page at a route such as `#/new`."""
        self.page.goto(f"{self.url}/{route}")

    def heading(self, name: str) -> None:
        """Wait for the view with this heading."""
        expect(self.page.locator("h1")).to_have_text(name)

    def wait_for(self, script: str, argument: Any = None) -> Any:
        """Wait until a function of the page gives something true; that. (Playwright's own way needs `eval`, which the
        page's policy forbids.)
        """
        for _ in range(PATIENCE_MS // _LOOK_MS):
            if found := self.page.evaluate(script, argument):
                return found
            self.page.wait_for_timeout(_LOOK_MS)
        raise AssertionError(f"not so after {PATIENCE_MS} ms: {script} {argument}")

    def texts(self) -> dict[str, str]:
        """The text of each job of the batch that is shown, as the page has it."""
        texts: dict[str, str] = self.page.evaluate(_TEXTS)
        return texts

    def assert_clean(self) -> None:
        """Nothing was complained of, and nobody else was asked for anything."""
        assert not self.complaints, self.complaints
        own = urlsplit(self.url).netloc
        assert {url for url in self.requested if urlsplit(url).netloc != own and not url.startswith("blob:")} == set()

    def _dismiss(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _hear(self, said: ConsoleMessage) -> None:
        kind, text = said.type, said.text
        if kind not in ("error", "warning"):
            return
        if said.location["url"].endswith("/favicon.ico"):  # the browser asks for it where `begin_anew` goes
            return
        if self.network_lost and _NETWORK.search(text):
            return
        if any(f"status of {status} " in text for status in self.refused):
            return
        self.complaints.append(f"{kind}: {text}")
