"""Figures for the metrics."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Min, Q
from django.utils import timezone

from ..models import Webhook, WebhookDelivery

State = WebhookDelivery.State


@dataclass(frozen=True)
class Backlog:
    """Due deliveries, and the age of the oldest one in seconds."""

    due: int
    oldest_seconds: float


def backlog() -> Backlog:
    now = timezone.now()
    due = WebhookDelivery.objects.filter(
        state=State.PENDING, attempt_at__lte=now, webhook__enabled=True
    ).aggregate(number=Count("pk"), first=Min("attempt_at"))
    oldest = (now - due["first"]).total_seconds() if due["first"] else 0.0
    return Backlog(due["number"], oldest)


def deliveries_of_last_hour() -> dict[str, int]:
    """The number of deliveries that were queued in the last hour, by state."""
    since = timezone.now() - timedelta(hours=1)
    rows = WebhookDelivery.objects.filter(created_at__gte=since).values_list("state")
    counts = dict(rows.annotate(Count("id")).order_by())
    return {state.value: counts.get(state.value, 0) for state in State}


def webhooks_by_state() -> dict[str, int]:
    """Working, failing and disabled webhooks."""
    is_failing = Q(failing_since__isnull=False)
    return Webhook.objects.existing().aggregate(
        working=Count("pk", filter=Q(enabled=True) & ~is_failing),
        failing=Count("pk", filter=Q(enabled=True) & is_failing),
        disabled=Count("pk", filter=Q(enabled=False)),
    )
