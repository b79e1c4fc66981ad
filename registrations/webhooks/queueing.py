"""Which deliveries a webhook owes: for new changes, tests and what is sent again."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from accounts.models import User
from config.errors import CursorExpired, FieldError, ValidationFailed
from events.models import Event, Series, TeamMember, listed_events, own_series

from ..changes.feed import Position, require_stored
from ..changes.log import sequence_changes
from ..errors import DeliveryPending
from ..models import (
    CHANGE_TYPES,
    TYPES_OF_SCANS,
    Change,
    Webhook,
    WebhookAttempt,
    WebhookDelivery,
    WebhookQueue,
)

State = WebhookDelivery.State

TEST = "webhook.test"
MAX_REPLAYED = 100_000
MAX_PENDING_TESTS = 10
KEPT_ATTEMPTS = 20  # of a delivery that is sent again
# Positions are given after the commit. So a change may precede another one that was made before it,
# by as long as the transaction of that one took.
_LONGEST_TRANSACTION = timedelta(hours=1)
CHANGES_AT_ONCE = 1000

_INSERT = """
    INSERT INTO registrations_webhookdelivery
        (webhook_id, position, type, created_at, attempt_at)
    SELECT *, %(now)s, %(now)s
    FROM unnest(%(webhooks)s::bigint[], %(positions)s::bigint[], %(types)s::text[])
    ON CONFLICT (webhook_id, position) DO NOTHING
"""

# A change has one delivery for each webhook. One that is pending stays as it is.
_REPLAY = """
    INSERT INTO registrations_webhookdelivery AS delivery
        (webhook_id, position, type, created_at, attempt_at)
    SELECT %s, position, type, %s, %s FROM ({changes}) AS replayed
    ON CONFLICT (webhook_id, position) DO UPDATE SET
        state = 'pending', tries = 0,
        attempt_at = EXCLUDED.attempt_at, created_at = EXCLUDED.created_at
    WHERE delivery.state <> 'pending'
"""


def viewer_of(webhook: Webhook) -> User | None:
    """The account as which a webhook reads, with its key. None if it no longer may.

    `user` and `key` of the webhook have to be loaded with it, since the account gets the key.
    """
    user, key = webhook.user, webhook.key
    if not user.is_active or (key is not None and not key.is_live):
        return None
    if key is not None:
        key.sees_own = True
        user.key = key
    return user


def visible_changes(webhook: Webhook) -> QuerySet[Change]:
    """The changes on which the webhook's owner has a role, within the webhook's events."""
    viewer = viewer_of(webhook)
    own = listed_events(viewer) if viewer else None
    if viewer is None or own is None:
        return Change.objects.none()
    events = Event.objects.filter(own).order_by()
    if webhook.events is not None:
        return Change.objects.filter(event_id__in=events.filter(pk__in=webhook.events).values("pk"))
    visible = Q(event_id__in=events.values("pk"))
    of_series = own_series(viewer)
    if of_series is not None:
        series = Series.objects.filter(of_series).order_by()
        visible |= Q(series_id__in=series.values("pk"))
    return Change.objects.filter(visible)


def expanded(types: Collection[str]) -> list[str]:
    """The types that a list with entries such as `registration.*` selects."""
    prefixes = tuple(each.removesuffix("*") for each in types if each.endswith(".*"))
    return [each for each in CHANGE_TYPES if each in types or each.startswith(prefixes or ("\0",))]


# --- New changes --------------------------------------------------------------------------------


def queue_changes() -> int:
    """Insert the deliveries of some new changes, unless another sender is doing so.

    Returns the number of changes that were read, up to `CHANGES_AT_ONCE`. Nothing is read while
    there is no webhook.
    """
    first = Webhook.objects.active().order_by("starts_after").values_list("starts_after", flat=True)
    starts_after = first.first()
    if starts_after is None:
        return 0
    sequence_changes()
    WebhookQueue.objects.bulk_create([WebhookQueue(pk=1)], ignore_conflicts=True)
    with transaction.atomic():
        queue = WebhookQueue.objects.select_for_update(skip_locked=True).filter(pk=1).first()
        if queue is None:
            return 0
        after = max(queue.position, starts_after)
        changes = list(
            Change.objects.filter(position__gt=after)
            .order_by("position")
            .values_list("position", "event_id", "series_id")[:CHANGES_AT_ONCE]
        )
        if not changes:
            return 0
        until = changes[-1][0]
        events = {pk for _, pk, _ in changes if pk is not None}
        series = {pk for _, _, pk in changes if pk is not None}
        _queue_for(_webhooks_of(events, series), after, until)
        WebhookQueue.objects.filter(pk=1).update(position=until)
    return len(changes)


def _webhooks_of(events: set[int], series: set[int]) -> QuerySet[Webhook]:
    """The active webhooks of accounts that have a role on one of these."""
    of_events = Event.objects.filter(pk__in=events)
    every_series = Q(series__in=series) | Q(series__in=of_events.values("series"))
    owners = (
        of_events.order_by()
        .values_list("organizer")
        .union(
            Series.objects.filter(pk__in=series).order_by().values_list("organizer"),
            TeamMember.objects.filter(Q(event__in=events) | every_series)
            .filter(user__isnull=False)
            .order_by()
            .values_list("user"),
        )
    )
    ids = [pk for (pk,) in owners]
    return Webhook.objects.active().filter(user__in=ids).select_related("user", "key")


def _queue_for(webhooks: QuerySet[Webhook], after: int, until: int) -> None:
    rows: list[tuple[int, int, str]] = []
    visible: dict[object, list[tuple[int, str]]] = {}  # an account's webhooks often see the same
    for webhook in webhooks:
        reader = (webhook.user_id, webhook.key_id, str(webhook.events))
        if reader not in visible:
            changes = visible_changes(webhook).filter(position__gt=after, position__lte=until)
            visible[reader] = list(changes.order_by("position").values_list("position", "type"))
        types = expanded(webhook.types)
        rows += [
            (webhook.pk, position, name)
            for position, name in visible[reader]
            if position > webhook.starts_after and name in types
        ]
    if rows:
        with connection.cursor() as cursor:
            columns = [list(column) for column in zip(*rows, strict=True)]
            parameters = dict(zip(("webhooks", "positions", "types"), columns, strict=True))
            cursor.execute(_INSERT, {**parameters, "now": timezone.now()})


# --- On request ---------------------------------------------------------------------------------


@transaction.atomic
def queue_test(webhook: Webhook) -> WebhookDelivery:
    """Raises `DeliveryPending` if many tests are, and `ValidationFailed` for a disabled webhook."""
    _require_enabled(webhook)
    tests = WebhookDelivery.objects.filter(webhook=webhook, type=TEST, state=State.PENDING)
    if tests[:MAX_PENDING_TESTS].count() == MAX_PENDING_TESTS:
        raise DeliveryPending
    now = timezone.now()
    return WebhookDelivery.objects.create(
        webhook=webhook, type=TEST, state=State.PENDING, created_at=now, attempt_at=now
    )


@transaction.atomic
def redeliver(delivery: WebhookDelivery) -> WebhookDelivery:
    """Queue a delivery anew.

    Raises `DeliveryPending`, `CursorExpired` for a change that the log no longer has, and
    `ValidationFailed` for a disabled webhook.
    """
    _require_enabled(delivery.webhook)
    position = delivery.position
    if position is not None and not Change.objects.filter(pk=position).exists():
        raise CursorExpired("The log no longer has this change, so it cannot be sent again.")
    done = WebhookDelivery.objects.filter(pk=delivery.pk).exclude(state=State.PENDING)
    if not done.update(state=State.PENDING, attempt_at=timezone.now(), tries=0):
        raise DeliveryPending
    _delete_earlier_attempts(WebhookDelivery.objects.filter(pk=delivery.pk))
    delivery.refresh_from_db()
    return delivery


@transaction.atomic
def replay(webhook: Webhook, since: datetime | Position, types: Collection[str] | None) -> int:
    """Queue the changes since then, and return the number of the deliveries.

    `types` selects among those of the webhook, which gets no others. Deliveries that are still
    pending are not queued twice. Raises `CursorExpired`, and
    `ValidationFailed` for a disabled webhook or too many changes.
    """
    _require_enabled(webhook)
    selected = expanded(webhook.types)
    if types is not None:
        selected = [each for each in expanded(types) if each in selected]
    changes = visible_changes(webhook).filter(_since(since), type__in=selected)
    if changes[: MAX_REPLAYED + 1].count() > MAX_REPLAYED:
        detail = f"There are more than {MAX_REPLAYED} changes since then. Choose a later time."
        raise ValidationFailed(FieldError("since", "max_value", detail))
    try:
        sql, parameters = changes.values("position", "type").query.sql_with_params()
    except EmptyResultSet:
        return 0
    with connection.cursor() as cursor:
        now = timezone.now()
        cursor.execute(_REPLAY.format(changes=sql), [webhook.pk, now, now, *parameters])
        number = int(cursor.rowcount)
    if number:
        _delete_earlier_attempts(webhook.deliveries.filter(state=State.PENDING))
    return number


def _delete_earlier_attempts(deliveries: QuerySet[WebhookDelivery]) -> None:
    """Keep the latest attempts, so that sending again and again stores no more."""
    rank = Window(RowNumber(), partition_by=F("delivery"), order_by=F("pk").desc())
    attempts = WebhookAttempt.objects.filter(delivery__in=deliveries).order_by()
    earlier = attempts.annotate(rank=rank).filter(rank__gt=KEPT_ATTEMPTS)
    WebhookAttempt.objects.filter(pk__in=earlier.values("pk")).delete()


def _since(since: datetime | Position) -> Q:
    """Raises `CursorExpired`."""
    if isinstance(since, Position):
        require_stored(since)
        return Q(position__gt=since.after)
    if since < timezone.now() - timedelta(days=settings.CHANGES_DAYS):
        raise CursorExpired(f"Changes are stored for {settings.CHANGES_DAYS} days.")
    # The log has no index by time. From its end to here are about the changes that are queued.
    # A scan may have happened before and been sent since, so its position tells.
    was_sent_since = Q(type__in=TYPES_OF_SCANS, position__gt=_last_before(since))
    after = _last_before(since - _LONGEST_TRANSACTION)
    return (Q(at__gte=since) | was_sent_since) & Q(position__gt=after)


def _last_before(instant: datetime) -> int:
    earlier = Change.objects.filter(at__lt=instant).exclude(type__in=TYPES_OF_SCANS)
    return earlier.order_by("-position").values_list("position", flat=True).first() or 0


def _require_enabled(webhook: Webhook) -> None:
    if not webhook.enabled:
        detail = 'The webhook is disabled. Enable it first: PATCH it with {"enabled": true}.'
        raise ValidationFailed(FieldError(None, "invalid", detail))
