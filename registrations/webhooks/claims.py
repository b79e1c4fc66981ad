"""The table of deliveries as a queue for any number of senders.

A sender claims rows for the time of a lease. Its connection also holds an advisory lock with the
sender's number, so the rows of a killed sender are free again within seconds. See also
`accounts.notifications.outbox`.
"""

from collections.abc import Collection, Mapping
from datetime import timedelta
from operator import attrgetter
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from config.api.sql.claimants import Claimants

from ..models import Webhook, WebhookDelivery

State = WebhookDelivery.State

LEASE = timedelta(minutes=5)
_DROPPED_AT_ONCE = 1000

senders = Claimants(WebhookDelivery, locks=0x484F4F4B)

# Each webhook has its own limit, so that no receiver takes the time of the others.
# The first one changes from claim to claim, since together they may exceed `total`.
_COLUMNS = tuple(field.column for field in WebhookDelivery._meta.concrete_fields)
_CLAIM = f"""
    WITH busy AS (
        SELECT * FROM unnest(%(webhooks)s::bigint[], %(limits)s::int[]) AS busy (id, free)
    ), due AS MATERIALIZED (
        SELECT delivery.id FROM (
            SELECT webhook.id, coalesce(
                busy.free, CASE WHEN failing_since IS NULL THEN %(limit)s ELSE %(failing)s END
            ) AS free
            FROM registrations_webhook AS webhook LEFT JOIN busy ON busy.id = webhook.id
            WHERE enabled AND deleted_at IS NULL
            ORDER BY webhook.id <= %(after)s, webhook.id OFFSET 0
        ) AS webhook
        CROSS JOIN LATERAL (
            SELECT id FROM registrations_webhookdelivery
            WHERE webhook_id = webhook.id AND state = 'pending' AND attempt_at <= %(now)s
            ORDER BY attempt_at LIMIT webhook.free FOR UPDATE SKIP LOCKED
        ) AS delivery
        LIMIT %(total)s
    )
    UPDATE registrations_webhookdelivery SET claimed_by = %(sender)s, attempt_at = %(until)s
    FROM due WHERE registrations_webhookdelivery.id = due.id
    RETURNING {", ".join(f"registrations_webhookdelivery.{column}" for column in _COLUMNS)}
"""  # noqa: S608  # nosec  # composed of constants only

# Those of a disabled webhook are not sent later.
_DROP = """
    UPDATE registrations_webhookdelivery SET state = 'dropped', claimed_by = NULL
    WHERE id IN (
        SELECT delivery.id FROM registrations_webhook AS webhook
        CROSS JOIN LATERAL (
            SELECT id FROM registrations_webhookdelivery
            WHERE webhook_id = webhook.id AND state = 'pending' AND claimed_by IS NULL
            LIMIT %(limit)s FOR UPDATE SKIP LOCKED
        ) AS delivery
        WHERE NOT webhook.enabled LIMIT %(limit)s
    )
"""


def claim(
    sender: int,
    *,
    total: int,
    limit: int,
    failing_limit: int,
    busy: Mapping[int, int],
    after: int,
) -> list[WebhookDelivery]:
    """Claim at most `total` due rows.

    Each webhook gives at most `busy[id]`, or `limit` where it is not in `busy`. The first webhook
    is that with the next id after `after`.
    """
    now = timezone.now()
    parameters: dict[str, Any] = {
        "now": now,
        "until": now + LEASE,
        "sender": sender,
        "after": after,
        "total": total,
        "limit": limit,
        "failing": failing_limit,
        "webhooks": list(busy.keys()),
        "limits": list(busy.values()),
    }
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, parameters)
        deliveries = [WebhookDelivery(*row) for row in cursor.fetchall()]
    return sorted(deliveries, key=attrgetter("pk"))


def webhooks_with_owners(ids: Collection[int]) -> dict[int, Webhook]:
    """The active ones of these, each with an instance of its own of the account and the key."""
    rows = Webhook.objects.active().select_related("user", "key").filter(pk__in=ids)
    return {row.pk: row for row in rows}


def drop_of_disabled() -> int:
    """Drop some pending deliveries of disabled webhooks."""
    with connection.cursor() as cursor:
        cursor.execute(_DROP, {"limit": _DROPPED_AT_ONCE})
        return int(cursor.rowcount)


def give_back(sender: int, ids: Collection[int]) -> None:
    """Release the claim of rows that were not attempted."""
    if ids:
        _own(sender, ids).update(attempt_at=timezone.now(), claimed_by=None)


def drop(sender: int, ids: Collection[int]) -> None:
    if ids:
        _own(sender, ids).update(state=State.DROPPED, claimed_by=None)


def _own(sender: int, ids: Collection[int]) -> QuerySet[WebhookDelivery]:
    return WebhookDelivery.objects.filter(pk__in=ids, claimed_by=sender, state=State.PENDING)
