"""Webhooks: creating, editing, rotating and deleting them.

The account is locked first, so that the number of its webhooks is exact.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Max, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.audit import audited, record
from accounts.models import User
from accounts.services import lock_account
from config.api.key_scopes import covers_event, key_of
from config.errors import FieldError, NotFound, PermissionDenied, ValidationFailed
from events.services.keys import check_events_of_key

from ..changes.log import sequence_changes
from ..errors import WebhookLimit
from ..models import Change, Webhook, WebhookDelivery, WebhookQuerySet
from .addresses import url_errors
from .secrets import encrypted, new_secret

MAX_WEBHOOKS = 10


def webhooks_of(user: User) -> WebhookQuerySet:
    """The webhooks of an account. A key of some events has those that it created alone."""
    webhooks, key = Webhook.objects.existing().filter(user=user), key_of(user)
    if key is None or key.events is None:
        return webhooks
    return webhooks.filter(key_id=key.pk)


def with_pending(webhooks: WebhookQuerySet) -> WebhookQuerySet:
    """With the number of deliveries that are still to be sent."""
    pending = WebhookDelivery.objects.filter(
        webhook=OuterRef("pk"), state=WebhookDelivery.State.PENDING
    )
    numbers = pending.order_by().values("webhook").annotate(number=Count("pk")).values("number")
    return webhooks.annotate(pending=Coalesce(Subquery(numbers), 0))


def create_webhook(
    user: User, *, url: str, types: list[str], events: list[int] | None, description: str
) -> tuple[Webhook, str]:
    """The webhook and its secret, which no later response has.

    Raises `ValidationFailed` and `WebhookLimit`.
    """
    _check_number(user)  # before a name is looked up
    _check(user, url=url, events=events)
    starts_after = end_of_log()
    secret, key = new_secret(), key_of(user)
    with transaction.atomic():
        lock_account(user.pk)
        _check_number(user)
        webhook = Webhook.objects.create(
            user=user,
            key_id=None if key is None else key.pk,
            url=url,
            types=types,
            events=events,
            description=description,
            secret=encrypted(secret),
            starts_after=starts_after,
        )
        record(webhook, "created", after={"url": url, "types": types, "events": events})
    return webhook, secret


def edit_webhook(user: User, webhook: Webhook, changes: dict[str, Any]) -> Webhook:
    """Raises `ValidationFailed` and `PermissionDenied`. Enabling it forgets that it failed."""
    new_url = changes["url"] if changes.get("url", webhook.url) != webhook.url else None
    if new_url is not None:
        _check_creator(user, webhook)
    _check(user, url=new_url, events=changes.get("events"), known=webhook.events)
    starts_after = end_of_log() if changes.get("enabled") else 0
    return _edit(webhook, changes, starts_after)


@transaction.atomic
@audited("edited")
def _edit(webhook: Webhook, changes: dict[str, Any], starts_after: int) -> Webhook:
    webhook = _locked(webhook)
    enabled = changes.get("enabled", webhook.enabled)
    if enabled and not webhook.enabled:
        webhook.disabled_reason = webhook.failing_since = None
        webhook.failures, webhook.starts_after = 0, starts_after
    elif webhook.enabled and not enabled:
        webhook.disabled_reason = Webhook.DisabledReason.BY_OWNER
    for name, value in changes.items():
        setattr(webhook, name, value)
    webhook.updated_at = timezone.now()
    webhook.save(
        update_fields=[
            *changes,
            "disabled_reason",
            "failing_since",
            "failures",
            "starts_after",
            "updated_at",
        ]
    )
    return webhook


def disable_webhook(webhook: Webhook) -> None:
    """For staff. Raises `NotFound`."""
    _edit(webhook, {"enabled": False}, 0)


def rotate_secret(webhook: Webhook, *, overlap_hours: int) -> tuple[Webhook, str]:
    """Another secret. The former one signs as well for the overlap. One before that ends."""
    return _rotate(webhook, overlap_hours)


@transaction.atomic
@audited("rotated", always=True)
def _rotate(webhook: Webhook, overlap_hours: int) -> tuple[Webhook, str]:
    webhook = _locked(webhook)
    secret, now = new_secret(), timezone.now()
    webhook.previous_secret = webhook.secret if overlap_hours else None
    webhook.previous_until = now + timedelta(hours=overlap_hours)
    webhook.secret, webhook.updated_at = encrypted(secret), now
    webhook.save(update_fields=["secret", "previous_secret", "previous_until", "updated_at"])
    return webhook, secret


@transaction.atomic
@audited("deleted")
def delete_webhook(webhook: Webhook) -> None:
    """Nothing is sent any more, and the secrets are erased."""
    Webhook.objects.filter(pk=webhook.pk).end()


def end_of_log() -> int:
    """The latest position. Moves the committed changes into the log before."""
    sequence_changes()
    return Change.objects.aggregate(last=Max("position"))["last"] or 0


def _check_number(user: User) -> None:
    """Raises `WebhookLimit`."""
    if Webhook.objects.existing().filter(user=user).count() >= MAX_WEBHOOKS:
        raise WebhookLimit(maximum=MAX_WEBHOOKS)


def _check_creator(user: User, webhook: Webhook) -> None:
    """Raises `PermissionDenied` for a key that would get what it may not read."""
    key = key_of(user)
    if key is not None and webhook.key_id != key.pk:
        raise PermissionDenied(
            "The key did not create this webhook, which may send more than the key may read. "
            "Create another one in its place."
        )


def _check(
    user: User,
    *,
    url: str | None,
    events: Iterable[int] | None,
    known: Iterable[int] | None = None,
) -> None:
    """Raises `ValidationFailed`. Names are looked up here, outside of a transaction."""
    if url is not None and (errors := url_errors(url)):
        raise ValidationFailed(*errors)
    check_events_of_key(user, events, known=known)
    outside = [pk for pk in events or () if not covers_event(user, pk)]
    if outside:
        raise ValidationFailed(
            FieldError("events", "invalid", f"The key does not extend to the event {outside[0]}.")
        )


def _locked(webhook: Webhook) -> Webhook:
    """The current row. Raises `NotFound` for a webhook that was deleted a moment ago."""
    rows = Webhook.objects.existing().select_for_update(no_key=True, of=("self",))
    locked = rows.filter(pk=webhook.pk).first()
    if locked is None:
        raise NotFound
    return locked
