"""The alerts and the dashboard in docs/monitoring use metrics and labels that exist."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client import REGISTRY
from prometheus_client.core import Metric

from config import ops
from config.api.http.rate_limits import REJECTIONS
from config.database_metrics import DatabaseMetrics
from config.server import gauges

pytestmark = pytest.mark.django_db

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "monitoring"
ALERTS = yaml.safe_load((FOLDER / "alerts.yaml").read_text(encoding="utf-8"))
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))

SUFFIXES = {
    "counter": ["_total"],
    "gauge": [""],
    "histogram": ["_bucket", "_count", "_sum"],
}
# What Prometheus and Grafana add to every series.
OWN_LABELS = {"instance", "job", "le"}
FUNCTIONS = {
    "by", "delta", "histogram_quantile", "max", "min", "rate", "sum", "topk",
}  # fmt: skip


def alert_expressions() -> Iterator[str]:
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            yield rule["expr"]


def panel_expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield target["expr"]


EXPRESSIONS = [*alert_expressions(), *panel_expressions()]


def families() -> Iterator[Metric]:
    assert gauges.PROCESSES  # importing the module registers its metrics
    yield from REGISTRY.collect()
    yield from DatabaseMetrics().collect()
    yield from ops._CacheMetrics().collect()


def series_names() -> set[str]:
    return {
        family.name + suffix for family in families() for suffix in SUFFIXES.get(family.type, [])
    }


def words(expression: str) -> set[str]:
    """The names of series: all words but functions, labels, units and texts."""
    without_selectors = re.sub(r"\{[^}]*\}|\[[^\]]*\]|by \([^)]*\)", " ", expression)
    return set(re.findall(r"[a-z_]\w*", without_selectors)) - FUNCTIONS


def labels(expression: str) -> set[str]:
    grouped = re.findall(r"by \(([^)]*)\)", expression)
    selected = re.findall(r"\{([^}]*)\}", expression)
    return {
        *re.findall(r"\w+", " ".join(grouped)),
        *re.findall(r"(\w+)(?:=~|!~|!=|=)", " ".join(selected)),
    }


def test_words_and_labels_are_read_from_an_expression():
    expression = 'sum by (le) (rate(a_bucket{status=~"5..", x!="y"}[5m])) > 0.5 * max(b)'

    assert words(expression) == {"a_bucket", "b"}
    assert labels(expression) == {"le", "status", "x"}


def test_every_expression_uses_metrics_that_exist():
    names = series_names()

    unknown = {word for expression in EXPRESSIONS for word in words(expression)} - names

    assert unknown == set()


def test_every_expression_uses_labels_that_exist(client):
    client.get("/healthz")  # a first sample of requests
    REJECTIONS.labels("login")
    known = {label for family in families() for sample in family.samples for label in sample.labels}

    used = {label for expression in EXPRESSIONS for label in labels(expression)}

    assert used - known - OWN_LABELS == set()


def test_each_alert_has_a_severity_and_a_summary():
    rules = [rule for group in ALERTS["groups"] for rule in group["rules"]]

    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert rule["annotations"]["summary"].endswith(".")


def test_panels_have_titles_and_do_not_overlap():
    panels = DASHBOARD["panels"]
    positions = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}

    assert len({panel["title"] for panel in panels}) == len(positions) == len(panels)
