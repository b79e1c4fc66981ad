"""Records what became of attempts, and disables webhooks whose receivers are gone or failing."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.audit import audited
from accounts.notifications import notify

from ..models import Webhook, WebhookDelivery
from .schedule import next_attempt_at

State = WebhookDelivery.State
Reason = Webhook.DisabledReason

FAILING_FOR = timedelta(days=5)
FAILURES_OF_FAILING = 20
_GONE = 410

_SETTLE = """
    WITH outcome AS (
        SELECT * FROM unnest(
            %(ids)s::bigint[], %(states)s::text[], %(next_at)s::timestamptz[],
            %(at)s::timestamptz[], %(statuses)s::int[], %(errors)s::text[], %(ms)s::int[],
            %(excerpts)s::text[]
        ) AS outcome (id, state, next_at, at, status, error, ms, excerpt)
    ), settled AS (
        UPDATE registrations_webhookdelivery AS delivery SET
            state = outcome.state, attempt_at = outcome.next_at, tries = delivery.tries + 1,
            claimed_by = NULL
        FROM outcome
        WHERE delivery.id = outcome.id AND delivery.claimed_by = %(sender)s
            AND delivery.state = 'pending'
        RETURNING delivery.id
    )
    INSERT INTO registrations_webhookattempt (delivery_id, at, status, error, ms, excerpt)
    SELECT id, at, status, error, ms, excerpt FROM outcome JOIN settled USING (id) ORDER BY id
"""
_COLUMNS = ("ids", "states", "next_at", "at", "statuses", "errors", "ms", "excerpts")


@dataclass(frozen=True)
class Outcome:
    """One attempt. `status` is None if there was no response, and `error` says why."""

    delivery: WebhookDelivery
    at: datetime
    ended_at: datetime
    status: int | None
    error: str | None
    excerpt: str = ""
    retry_after: str | None = None

    @property
    def is_success(self) -> bool:
        return self.error is None and self.status is not None and 200 <= self.status < 300

    @property
    def next_at(self) -> datetime | None:
        if self.is_success or self.status == _GONE:
            return None
        return next_attempt_at(self.delivery.tries + 1, self.ended_at, self.retry_after)


@transaction.atomic
def settle(sender: int, outcomes: list[Outcome]) -> None:
    """Record attempts that ended, of deliveries that the sender has claimed."""
    rows = []
    for outcome in sorted(outcomes, key=lambda each: each.delivery.pk):
        next_at = outcome.next_at
        done = State.DELIVERED if outcome.is_success else State.FAILED
        state = done if next_at is None else State.PENDING
        took = round((outcome.ended_at - outcome.at) / timedelta(milliseconds=1))
        rows.append((
            outcome.delivery.pk, state.value, next_at or outcome.ended_at,
            outcome.at, outcome.status, outcome.error, took, outcome.excerpt,
        ))  # fmt: skip
    columns = [list(column) for column in zip(*rows, strict=True)]
    with connection.cursor() as cursor:
        parameters = dict(zip(_COLUMNS, columns, strict=True))
        cursor.execute(_SETTLE, {**parameters, "sender": sender})
    _update_webhooks(outcomes)


def _update_webhooks(outcomes: Iterable[Outcome]) -> None:
    """Record the latest success and the failures since, of each webhook."""
    by_webhook = defaultdict[int, list[Outcome]](list)
    for outcome in outcomes:
        by_webhook[outcome.delivery.webhook_id].append(outcome)
    for pk, of_webhook in sorted(by_webhook.items()):
        webhook = Webhook.objects.filter(pk=pk)
        successes = [each.ended_at for each in of_webhook if each.is_success]
        if successes:
            webhook.update(last_success_at=max(successes), failing_since=None, failures=0)
        latest = max(successes, default=None)
        failed = [
            each.ended_at
            for each in of_webhook
            if not each.is_success and (latest is None or each.ended_at > latest)
        ]
        if failed:
            webhook.update(
                failing_since=Coalesce("failing_since", min(failed)),
                failures=F("failures") + len(failed),
            )
        if any(each.status == _GONE for each in of_webhook):
            _disable(webhook, Reason.GONE)
        elif failed:
            failing = webhook.filter(
                failures__gte=FAILURES_OF_FAILING, failing_since__lte=max(failed) - FAILING_FOR
            )
            _disable(failing, Reason.FAILING)


def _disable(webhooks: QuerySet[Webhook], reason: Reason) -> None:
    """Disable an enabled webhook, and notify its owner."""
    for webhook in webhooks.filter(enabled=True, deleted_at=None).select_related("user"):
        _disable_one(webhook, reason)
        notify(
            "webhook_disabled",
            key=f"webhook_disabled:{webhook.pk}:{timezone.now().isoformat()}",
            email=webhook.user.email,
            user=webhook.user,
            facts={"webhook_id": webhook.pk, "reason": reason.value},
        )


@audited("disabled")
def _disable_one(webhook: Webhook, reason: Reason) -> None:
    Webhook.objects.filter(pk=webhook.pk).update(
        enabled=False, disabled_reason=reason, updated_at=timezone.now()
    )
