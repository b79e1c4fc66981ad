"""The notification that a webhook was disabled since its receiver is gone or failing."""

from collections.abc import Sequence

from accounts.models import Notification
from accounts.notifications import Kind
from accounts.notifications.kinds import Facts

from ..models import Webhook


def _load(rows: Sequence[Notification]) -> dict[int, Facts]:
    """Facts of webhooks that are still disabled for that reason."""
    ids = {row.facts["webhook_id"] for row in rows}
    webhooks = Webhook.objects.existing().filter(enabled=False).in_bulk(ids)
    return {
        row.pk: _facts(webhook)
        for row in rows
        if (webhook := webhooks.get(row.facts["webhook_id"]))
        and webhook.user_id == row.user_id
        and webhook.disabled_reason == row.facts["reason"]
    }


def _facts(webhook: Webhook) -> Facts:
    return {
        "url": webhook.url,
        "webhook_id": webhook.pk,
        "is_gone": webhook.disabled_reason == Webhook.DisabledReason.GONE,
    }


WEBHOOK_DISABLED = Kind(
    name="webhook_disabled",
    title="A webhook was disabled",
    template="registrations/mail/webhook_disabled.html",
    load=_load,
    switchable=False,
    sample=lambda: {
        "url": "https://hooks.example/events",
        "webhook_id": 4,
        "is_gone": False,
    },
)
