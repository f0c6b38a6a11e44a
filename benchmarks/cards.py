"""`python -m benchmarks.cards`: how smooth the page of a batch of 500 stays in a real browser while 50 of them write.

For 10 s the page lies still and for 10 s it is scrolled through. A frame is the time between two animation frames: it
also has what the page waits for the CPU of a busy machine. What the page itself takes is in the trace of its main
thread: the CPU time of each task. The goal is that none takes over 50 ms.
"""

import argparse
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from benchmarks.machine import quantile
from benchmarks.results import show
from benchmarks.stack import BenchmarkError, Stack

_WIDTHS = {1440: 900, 390: 844}
_CATEGORIES = ("toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline", "v8", "blink.user_timing")
_TASK = "RunTask"
_PARTS = 4

_WATCH_FRAMES = """() => {
  window.frames50 = [];
  let last = performance.now();
  const next = (now) => {
    window.frames50.push(now - last);
    last = now;
    requestAnimationFrame(next);
  };
  requestAnimationFrame(next);
}"""
_SCROLL = """(by) => {
  const next = () => {
    if (window.stopped50) return;
    scrollBy(0, by);
    if (scrollY + innerHeight >= document.body.scrollHeight - 1) by = -Math.abs(by);
    if (scrollY === 0) by = Math.abs(by);
    requestAnimationFrame(next);
  };
  next();
}"""


@dataclass(frozen=True, slots=True)
class Task:
    """One task of the page's main thread, in milliseconds."""

    wall: float
    cpu: float
    parts: str
    """What took longest in it."""


class Trace:
    """What Chromium's tracing says of the page's main thread."""

    def __init__(self, session: CDPSession) -> None:
        self._session = session
        self._events: list[dict[str, Any]] = []
        self._ended = False
        session.on("Tracing.dataCollected", lambda data: self._events.extend(data["value"]))
        session.on("Tracing.tracingComplete", lambda _: setattr(self, "_ended", True))

    @contextmanager
    def recorded(self, page: Page) -> Iterator[None]:
        """Trace what happens inside."""
        config = {"includedCategories": list(_CATEGORIES)}
        self._session.send("Tracing.start", {"traceConfig": config, "transferMode": "ReportEvents"})
        yield
        self._session.send("Tracing.end")
        for _ in range(600):
            if self._ended:
                return
            page.wait_for_timeout(100)
        raise BenchmarkError("the trace did not end within a minute")

    def tasks(self) -> list[Task]:
        """Every task of the busiest renderer's main thread."""
        mains = {(e["pid"], e["tid"]) for e in self._events if e.get("args", {}).get("name") == "CrRendererMain"}
        by_thread = {
            main: [e for e in self._events if (e["pid"], e["tid"]) == main and e["ph"] == "X"] for main in mains
        }
        events = max(by_thread.values(), key=lambda found: sum(e.get("tdur", 0) for e in found if _is_task(e)))
        events.sort(key=lambda event: (event["ts"], -event["dur"]))
        tasks: list[Task] = []
        inside: list[dict[str, Any]] = []
        for event in [*events, {"name": _TASK, "ts": float("inf"), "dur": 0}]:
            if _is_task(event) and not (inside and event["ts"] < inside[0]["ts"] + inside[0]["dur"]):
                if inside and _is_task(inside[0]):
                    tasks.append(_task(inside))
                inside = []
            inside.append(event)
        return tasks


def _is_task(event: dict[str, Any]) -> bool:
    return bool(event["name"] == _TASK)


def _task(events: list[dict[str, Any]]) -> Task:
    of_name: dict[str, float] = {}
    for event in events[1:]:
        name = event["name"]
        if name.endswith(_TASK):
            continue  # the whole of it, again
        if name == "FunctionCall":
            data = event["args"].get("data", {})
            name = f"{data.get('functionName') or 'call'} ({data.get('url', '').rpartition('/')[2]})"
        of_name[name] = of_name.get(name, 0) + event.get("tdur", 0) / 1000
    longest = sorted(of_name.items(), key=lambda item: -item[1])[:_PARTS]
    parts = ", ".join(f"{name} {spent:.1f}" for name, spent in longest if spent >= 1)
    return Task(events[0]["dur"] / 1000, events[0].get("tdur", 0) / 1000, parts)


def _row(page: Page, session: CDPSession, name: str, seconds: float, scroll: int) -> tuple[dict[str, Any], list[Task]]:
    trace = Trace(session)
    page.evaluate(_WATCH_FRAMES)
    page.evaluate("() => { window.stopped50 = false; }")
    with trace.recorded(page):
        if scroll:
            page.evaluate(_SCROLL, scroll)
        page.wait_for_timeout(seconds * 1000)
        frames: list[float] = sorted(page.evaluate("() => { window.stopped50 = true; return window.frames50; }"))
    tasks = trace.tasks()
    row = {
        "page": name,
        "frames": len(frames),
        "frame p99 ms": quantile(frames, 0.99),
        "worst frame ms": frames[-1],
        "worst task ms": max(task.wall for task in tasks),
        "worst task ms of CPU": max(task.cpu for task in tasks),
        "tasks over 50 ms of CPU": sum(task.cpu > 50 for task in tasks),
        "CPU of the main thread %": sum(task.cpu for task in tasks) / seconds / 10,
    }
    return row, tasks


def measure(browser: Browser, jobs: int, writing: int, seconds: float) -> list[dict[str, Any]]:
    """A row for each width, lying still and being scrolled."""
    rows = []
    with Stack(writing) as stack:
        batch = stack.submit([stack.request(deltas=10_000_000, rate=20)] * jobs)
        stack.wait_running(writing)
        for width, height in _WIDTHS.items():
            page = browser.new_page(viewport={"width": width, "height": height})
            session = browser.new_browser_cdp_session()
            page.goto(f"{stack.url}/#/batches/{batch}")
            page.locator(".card[data-status=in_progress] .card-text").first.wait_for(timeout=60_000)
            page.wait_for_timeout(3000)  # what happens once, when the page opens, is not what is measured
            for name, scroll in (("still", 0), ("scrolled", 24)):
                row, tasks = _row(page, session, f"{width} px, {name}", seconds, scroll)
                rows.append(row)
                for task in sorted(tasks, key=lambda task: -task.cpu)[:3]:
                    print(f"{row['page']}: {task.cpu:.1f} ms of CPU in {task.wall:.1f} ms: {task.parts}", flush=True)
            page.close()
            session.detach()
    return rows


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--writing", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=10)
    given = parser.parse_args()
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        rows = measure(browser, given.jobs, given.writing, given.seconds)
        browser.close()
    show(f"The page of {given.jobs} cards of which {given.writing} write", rows, "cards")


if __name__ == "__main__":
    main()
