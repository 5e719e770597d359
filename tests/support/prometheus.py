"""Metrics as Prometheus reads them."""

from __future__ import annotations

import re
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from app.observe.metrics import Metrics

# Buckets; and gauges that are 1 while all is well.
IGNORED = re.compile("_bucket|limit_headroom_ratio|database_up")


def metrics_of_two_models(**given: Any) -> Metrics:
    return Metrics(
        models=("gpt", "storyteller"),
        outcomes=("ok", "failed"),
        operations=("npc", "story"),
        scopes=("user", "global"),
        budgets=("team",),
        prompt_versions=("1", "2"),
        provided={"gpt": ("openai", "gpt-7")},
        **given,
    )


def samples_of(body: bytes) -> dict[str, float]:
    """Samples by name and labels, such as `loregate_requests_total{edge=rest,status=2xx}`.

    Labels of OpenTelemetry's conventions, which follow from the model, are left out.
    """
    found = {}
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            told = sorted((k, v) for k, v in sample.labels.items() if "gen_ai" not in k)
            labels = ",".join(f"{k}={v}" for k, v in told)
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def samples_now(found: Metrics) -> dict[str, float]:
    return samples_of(found.render()[0])


def nonzero(found: dict[str, float]) -> dict[str, float]:
    """What is not nought, without the histograms' buckets and the limits' headroom."""
    return {k.removeprefix("loregate_"): v for k, v in found.items() if v and not IGNORED.search(k)}
