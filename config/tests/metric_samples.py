"""What `/metrics` shows, read as a monitoring server reads it."""

from django.test import Client
from prometheus_client.parser import text_string_to_metric_families


def samples(client: Client, **labels: str) -> dict[str, float]:
    """The samples of `/metrics` with these labels, by name."""
    text = client.get("/metrics").content.decode()
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if labels.items() <= sample.labels.items()
    }
