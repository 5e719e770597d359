"""Write the alerts once more, as the Prometheus Operator takes them.

Run it after a change of alerts.yml; a test holds the two to each other.
"""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
ALERTS = HERE / "alerts.yml"
OBJECT = HERE.parent / "kubernetes" / "monitoring" / "alerts.yaml"
HEAD = """\
# Made from deploy/prometheus/alerts.yml by deploy/prometheus/generate.py: change that one.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: loregate
  labels:
    app.kubernetes.io/name: loregate
spec:
"""


def made() -> str:
    """The object, as it should stand in its file."""
    text = ALERTS.read_text()
    groups = text[text.index("groups:") :]
    return HEAD + "".join(f"  {line}" if line.strip() else line for line in groups.splitlines(True))


if __name__ == "__main__":
    OBJECT.write_text(made())
