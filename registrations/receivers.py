"""Receivers of the signals of events and accounts. Each calls one service."""

from typing import Any

from django.dispatch import receiver

from accounts.models import User
from accounts.signals import address_left, email_confirmed
from events.models import Event
from events.signals import events_cancelled, events_deleted, events_edited, events_restored

from .models import LedgerEntry
from .services.accounts import join_guest_registrations
from .services.address_changes import move_registrations
from .services.notifying import (
    notify_events_cancelled,
    notify_events_changed,
    notify_events_deleted,
    notify_events_restored,
)
from .services.waitlist import promote_waitlist


@receiver(events_edited)
def promote_after_edit(edits: list[tuple[Event, dict[str, Any]]], **kwargs: Any) -> None:
    """More seats, or a later end of registration, may promote people on the waitlist."""
    for event, _ in edits:
        promote_waitlist(event, reason=LedgerEntry.Reason.EVENT_EDITED)


@receiver(events_restored)
def promote_after_restoration(events: list[Event], **kwargs: Any) -> None:
    """Seats that became free while the event was deleted go to the waitlist."""
    for event in events:
        promote_waitlist(event, reason=LedgerEntry.Reason.EVENT_EDITED)


@receiver(events_edited)
def notify_of_change(edits: list[tuple[Event, dict[str, Any]]], **kwargs: Any) -> None:
    notify_events_changed(edits)


@receiver(events_cancelled)
def notify_of_cancellation(events: list[Event], notify: bool, **kwargs: Any) -> None:
    if notify:
        notify_events_cancelled(events)


@receiver(events_deleted)
def notify_of_deletion(events: list[Event], notify: bool, **kwargs: Any) -> None:
    if notify:
        notify_events_deleted(events)


@receiver(events_restored)
def notify_of_restoration(events: list[Event], notify: bool, **kwargs: Any) -> None:
    if notify:
        notify_events_restored(events)


@receiver(address_left)
def move_with_the_account(user: User, former: str, was_confirmed: bool, **kwargs: Any) -> None:
    """The registrations of an account go to its new address, or leave the account."""
    move_registrations(user, former=former, was_confirmed=was_confirmed)


@receiver(email_confirmed)
def join_registrations_of_guest(user: User, **kwargs: Any) -> None:
    """Registrations made as a guest with this address become part of the account."""
    join_guest_registrations(user)
