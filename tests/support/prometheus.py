"""Metrics as Prometheus reads them."""

from __future__ import annotations

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from app.observe.metrics import Metrics


def metrics_of_two_models(**given: Any) -> Metrics:
    return Metrics(
        models=("gpt", "storyteller"),
        outcomes=("ok", "failed"),
        operations=("npc", "story"),
        scopes=("user", "global"),
        **given,
    )


def samples_of(body: bytes) -> dict[str, float]:
    """Samples by name and labels, such as `loregate_requests_total{edge=rest,status=2xx}`."""
    found = {}
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def samples_now(found: Metrics) -> dict[str, float]:
    return samples_of(found.render()[0])


def nonzero(found: dict[str, float]) -> dict[str, float]:
    """What is not nought, without the histograms' buckets."""
    return {k.removeprefix("loregate_"): v for k, v in found.items() if v and "_bucket" not in k}
