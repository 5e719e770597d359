"""Series: where each number that is counted stands, and how Prometheus is told of all.

The labels' sets are closed, so that every series has its place from the start: a cell in one array
of doubles, found by the metric and its labels' values. To count is to add to a cell. One
process has an array of its own; of several, each has one in a file (`multiprocess.py`).
"""

from __future__ import annotations

import hashlib
import itertools
import math
from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from app.observe.metric_names import (
    GENAI_LABELS,
    OTHER,
    Across,
    Configured,
    GenAI,
    Kind,
    MetricName,
)

UNSET = math.nan  # of a gauge that nobody set
ACROSS: Mapping[Across, Callable[[Iterable[float]], float]] = {
    Across.SUM: sum,
    Across.MAX: max,
    Across.MIN: min,
}
Cells: TypeAlias = "memoryview[float] | array[float]"
Provided = Mapping[str, tuple[str, str]]  # by our model's name: the provider's, and its own
CHAT = "chat"  # gen_ai.operation.name of all that is called here
MODALITY = "text"


class Family(dict[tuple[str, ...], int]):
    """A metric's series: the place of each one's first cell, by its labels' values.

    A value that is not in its set stands at "other".
    """

    def __init__(self, name: MetricName, known: Sequence[Sequence[str]], start: int) -> None:
        super().__init__()
        self.name, self.known, self.start = name, known, start
        self.width = len(name.buckets) + 2 if name.kind is Kind.HISTOGRAM else 1
        self._places = [{value: at for at, value in enumerate(values)} for values in known]
        self._bounds = name.buckets

    @property
    def end(self) -> int:
        return self.start + self.width * math.prod(map(len, self.known))

    def __missing__(self, values: tuple[str, ...]) -> int:
        at, foreign = 0, False
        for value, places in zip(values, self._places, strict=True):
            foreign |= value not in places
            at = at * len(places) + places[value if value in places else OTHER]
        at = self.start + at * self.width
        if not foreign:  # or the names that anybody sends would be kept
            self[values] = at
        return at

    def observe(self, cells: Cells, value: float, *labels: str) -> None:
        """Count a histogram's value: in its bucket, and in the sum behind the buckets."""
        at = self[labels]
        cells[at + bisect_left(self._bounds, value)] += 1
        cells[at + self.width - 1] += value

    def series(self) -> Iterator[tuple[tuple[str, ...], int]]:
        places = itertools.count(self.start, self.width)
        return zip(itertools.product(*self.known), places)  # noqa: B905  # one has no end


class Series:
    """All metrics: where their cells are, and how to tell them."""

    def __init__(
        self,
        names: Iterable[MetricName],
        sets: Mapping[Configured, Collection[str]],
        provided: Provided,
    ) -> None:
        self.families: dict[str, Family] = {}
        self._provided, at = provided, 0
        for name in names:
            known = [
                tuple(sets[v]) if isinstance(v, Configured) else tuple(v)
                for v in name.labels.values()
            ]
            family = self.families[name.name] = Family(name, known, at)
            at = family.end
        self.size = at
        gauges = [f for f in self.families.values() if f.name.kind is Kind.GAUGE]
        self.gauges = [(f.start, f.end) for f in gauges]

    def __getitem__(self, name: MetricName) -> Family:
        return self.families[name.name]

    def new(self) -> array[float]:
        """Cells of nought, and gauges that nobody set."""
        cells = array("d", bytes(8 * self.size))
        for begin, end in self.gauges:
            cells[begin:end] = array("d", [UNSET]) * (end - begin)
        return cells

    @property
    def digest(self) -> str:
        """The same for those alone whose cells mean the same."""
        told = [(f.name, f.known) for f in self.families.values()]
        return hashlib.blake2b(repr(told).encode(), digest_size=8).hexdigest()

    def text(self, living: Sequence[Cells], gone: Cells | None = None) -> bytes:
        """What Prometheus reads of these processes; `gone`: what those counted that have ended."""
        counted = [*living, gone] if gone is not None else list(living)
        return generate_latest(
            _Told(self._metric(f, living, counted) for f in self.families.values())
        )

    def _metric(self, family: Family, living: Sequence[Cells], counted: Sequence[Cells]) -> Metric:
        name = family.name
        if name.kind is Kind.GAUGE:
            return self._gauge(family, living)
        labels = self._labels(name)
        if name.kind is Kind.COUNTER:
            counter = CounterMetricFamily(name.name, name.help, labels=labels)
            for values, at in family.series():
                if (total := sum(cells[at] for cells in counted)) or not name.sparse:
                    counter.add_metric(self._values(name, values), total / name.divisor)
            return counter
        histogram = HistogramMetricFamily(name.name, name.help, labels=labels)
        bounds = [*map(float, name.buckets), math.inf]
        for values, at in family.series():
            sums = [
                sum(column)
                for column in zip(*(c[at : at + family.width] for c in counted), strict=True)
            ]
            upto = list(itertools.accumulate(sums[:-1]))
            if upto[-1] or not name.sparse:
                buckets = [(_bound(b), n) for b, n in zip(bounds, upto, strict=True)]
                histogram.add_metric(self._values(name, values), buckets, sums[-1])
        return histogram

    def _gauge(self, family: Family, living: Sequence[Cells]) -> Metric:
        gauge = GaugeMetricFamily(family.name.name, family.name.help, labels=[*family.name.labels])
        among = ACROSS[family.name.across]
        for values, at in family.series():
            if found := [v for cells in living if (v := cells[at]) == v]:  # NaN does not
                gauge.add_metric(values, among(found))
        return gauge

    @staticmethod
    def _labels(name: MetricName) -> list[str]:
        return [*name.labels, *(GENAI_LABELS[name.genai] if name.genai else ())]

    def _values(self, name: MetricName, values: tuple[str, ...]) -> list[str]:
        if name.genai is None:
            return [*values]
        model = values[0]
        provider, upstream = self._provided.get(model, (OTHER, model))
        failed = ["" if value == "ok" else value for value in values[1:]]
        return [
            model,
            *failed,
            CHAT,
            provider,
            upstream,
            *([MODALITY] * (name.genai is GenAI.TOKENS)),
        ]


class _Told(Collector):
    """Metrics as they were found."""

    def __init__(self, found: Iterable[Metric]) -> None:
        self._found = list(found)

    def collect(self) -> Iterable[Metric]:
        return self._found


def _bound(value: float) -> str:
    return "+Inf" if value == math.inf else repr(value)
