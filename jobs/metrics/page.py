"""The text that Prometheus reads."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from jobs.metrics.counts import Histogram

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = TypeVar("Labels", bound=tuple[str, ...])


class _Read(Collector):
    """Calls `read` for each page."""

    def __init__(self, read: Callable[[], Iterable[Metric]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        yield from self._read()


def make_registry(read: Callable[[], Iterable[Metric]]) -> CollectorRegistry:
    """A registry of this process's CPU, memory and descriptors, and of what `read` gives each time."""
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    registry.register(_Read(read))
    return registry


def render(registry: CollectorRegistry) -> bytes:
    return generate_latest(registry)


def counters(name: str, what: str, labels: Sequence[str], counts: Mapping[Labels, float]) -> Metric:
    """A counter; its name ends in `_total`."""
    family = CounterMetricFamily(name.removesuffix("_total"), what, labels=labels)
    for values, count in counts.items():
        family.add_metric(values, count)
    return family


def gauges(name: str, what: str, labels: Sequence[str], values: Mapping[Labels, float]) -> Metric:
    family = GaugeMetricFamily(name, what, labels=labels)
    for of, value in values.items():
        family.add_metric(of, value)
    return family


def histograms(name: str, what: str, labels: Sequence[str], found: Mapping[Labels, Histogram]) -> Metric:
    family = HistogramMetricFamily(name, what, labels=labels)
    for values, histogram in found.items():
        family.add_metric(values, histogram.buckets(), histogram.sum)
    return family
