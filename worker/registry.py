"""The upstreams of a worker process, as the upstreams file declares them now."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from jobs.settings import Settings
from jobs.upstreams import Upstreams, UpstreamSource, UpstreamSpec
from worker.upstream import Clocks, Upstream
from worker.upstream.habits import Habits

OpenUpstream = Callable[[UpstreamSpec], Upstream]


def opener(settings: Settings, habits_of: Callable[[str], Habits]) -> OpenUpstream:
    """Opens upstreams as their specs say, and all else as the settings do. What an upstream has shown of itself
    (`habits_of`) counts for its name: a new key or limit changes none of it.
    """

    def open_upstream(spec: UpstreamSpec) -> Upstream:
        return Upstream(
            spec.url,
            spec.api_key.get_secret_value() if spec.api_key else None,
            Clocks(spec.first_delta_seconds, spec.between_deltas_seconds, spec.total_seconds),
            ask_for_usage=spec.usage,
            headers={name: value.get_secret_value() for name, value in spec.headers.items()},
            rename=spec.rename,
            parameters=spec.parameters,
            think_tags=spec.think_tags,
            habits=habits_of(spec.name),
            max_text_bytes=settings.max_text_bytes,
            proxy=spec.proxy,
            ca_file=spec.ca_file,
        )

    return open_upstream


@dataclass(slots=True)
class _Opened:
    spec: UpstreamSpec
    upstream: Upstream
    streams: int = 0


class UpstreamRegistry:
    """Opens an upstream when a stream first needs it. All but `find` is called on the event loop.

    When the file changes, streams that run stay with the upstream that they began with, and it is closed when the last
    of them has ended. One whose part of the file is unchanged stays open.
    """

    def __init__(self, source: UpstreamSource, open_upstream: OpenUpstream) -> None:
        self._source = source
        self._open_upstream = open_upstream
        self._opened: list[_Opened] = []
        self._swept: Upstreams | None = None

    def find(self, name: str) -> UpstreamSpec | None:
        """What is declared of an upstream now; called in any other thread, because it may have to read the file."""
        return self._source.current().find(name)

    @asynccontextmanager
    async def use(self, spec: UpstreamSpec) -> AsyncIterator[Upstream]:
        """The upstream of this spec, open for as long as the block lasts.

        The spec is that of the claim, which may be older than the file: such a stream runs as it was claimed.
        """
        opened = self._find(spec)
        opened.streams += 1
        try:
            yield opened.upstream
        finally:
            opened.streams -= 1
            await self._sweep(opened)

    async def aclose(self) -> None:
        """Close all of them, whatever still runs."""
        opened, self._opened = self._opened, []
        for upstream in opened:
            await upstream.upstream.aclose()

    def _find(self, spec: UpstreamSpec) -> _Opened:
        for opened in self._opened:
            if opened.spec == spec:
                return opened
        opened = _Opened(spec, self._open_upstream(spec))
        self._opened.append(opened)
        return opened

    async def _sweep(self, ended: _Opened) -> None:
        """Close what no stream uses and the file no longer names: the one whose stream has just ended, and, when the
        file has changed, any.
        """
        in_force = self._source.in_force
        looked_at = [ended] if in_force is self._swept else list(self._opened)
        self._swept = in_force
        for opened in looked_at:
            if not opened.streams and opened.spec not in in_force.specs and opened in self._opened:
                self._opened.remove(opened)
                await opened.upstream.aclose()
