"""Deletes deliveries that are no longer listed."""

from datetime import timedelta

from django.db import DEFAULT_DB_ALIAS, transaction
from django.utils import timezone

from ..models import Webhook, WebhookAttempt, WebhookDelivery

RETENTION = timedelta(days=30)
_DELETED_AT_ONCE = 5_000


def delete_old_deliveries() -> int:
    """Delete deliveries of more than 30 days ago, and webhooks that have ended. In batches.

    A delivery that is still pending is attempted for four days at most. Returns the number of
    deliveries.
    """
    existing = Webhook.objects.existing().values("pk")
    Webhook.objects.filter(key__isnull=False).exclude(pk__in=existing).end()
    old = WebhookDelivery.objects.filter(created_at__lt=timezone.now() - RETENTION)
    of_deleted = WebhookDelivery.objects.filter(webhook__deleted_at__isnull=False)
    deleted = 0
    for rows in (old, of_deleted):
        while number := _delete_some(list(rows.values_list("pk", flat=True)[:_DELETED_AT_ONCE])):
            deleted += number
    Webhook.objects.filter(deleted_at__isnull=False, deliveries=None).delete()
    return deleted


@transaction.atomic
def _delete_some(ids: list[int]) -> int:
    WebhookAttempt.objects.filter(delivery__in=ids)._raw_delete(DEFAULT_DB_ALIAS)
    return WebhookDelivery.objects.filter(pk__in=ids)._raw_delete(DEFAULT_DB_ALIAS)
