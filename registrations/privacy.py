"""The export of a person's data as one JSON object.

Each part is one `Section`: a list of rows that belong to the person, with the exported columns.
Rows are read and written in batches, so memory use does not grow with their number.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from accounts.audit import changes_of
from accounts.models import Notification, Unsubscription, User
from accounts.notifications.opt_outs import digest_of
from accounts.notifications.preferences import preferences_of
from config.api.http.negotiation import to_json
from config.api.text.instants import render_instant
from events.models import Event, Series, TeamMember

from .models import (
    AddressConfirmation,
    DoorLink,
    Feedback,
    LedgerEntry,
    Message,
    Registration,
    Scan,
    Webhook,
)

ROWS_OF_A_BATCH = 500

_REGISTRATION = (
    "id",
    "event_id",
    "name",
    "email",
    "status",
    "source",
    "show_name",
    "ticket_code",
    "registered_at",
    "confirmed_at",
    "cancelled_at",
    "checked_in_at",
    "party_size",
    "guests",
    "answers",
)
_REQUEST = ("name", "source", "show_name", "party_size", "guests", "answers")
_EVENT = (
    "id",
    "name",
    "description",
    "location",
    "start_time",
    "end_time",
    "timezone",
    "status",
    "meeting_url",
    "max_capacity",
    "waitlist_enabled",
    "max_party_size",
    "waitlist_policy",
    "registration_mode",
    "registration_opens_at",
    "registration_closes_at",
    "cancellation_closes_at",
    "attendance_mode",
    "visibility",
    "attendee_list",
    "reminder_hours",
    "created_at",
    "updated_at",
    "deleted_at",
)


@dataclass(frozen=True)
class Section:
    """Rows of a person. `columns` are exported under their own names, `renamed` under others."""

    name: str
    rows: Callable[[User], QuerySet[Any]]
    columns: tuple[str, ...]
    renamed: dict[str, F] = field(default_factory=dict)


def _sent_to_guest(user: User) -> Q:
    """Notifications to the account's address, if it is confirmed: else anybody could claim it."""
    return Q(user=None, email=user.email) if user.email_verified else Q(pk=None)


SECTIONS = (
    Section(
        "sessions",
        lambda user: user.sessions.all(),
        ("id", "created_at", "last_used_at", "expires_at", "ended_at", "user_agent", "address"),
    ),
    Section(
        "api_keys",
        lambda user: user.keys.all(),
        (
            "id",
            "name",
            "hint",
            "scopes",
            "events",
            "created_at",
            "expires_at",
            "last_used_at",
            "revoked_at",
        ),
    ),
    Section(
        "webhooks",  # without their secrets, which sign in the account's name
        lambda user: Webhook.objects.filter(user=user, deleted_at=None),
        (
            "id",
            "url",
            "types",
            "events",
            "description",
            "enabled",
            "disabled_reason",
            "created_at",
            "last_success_at",
            "failing_since",
        ),
    ),
    Section("former_addresses", lambda user: user.former_addresses.all(), ("email", "left_at")),
    Section(
        "notifications",
        lambda user: Notification.objects.filter(Q(user=user) | _sent_to_guest(user)),
        ("kind", "email", "event_id", "created_at", "sent_at", "read_at", "subject", "body"),
    ),
    Section(
        "opt_outs",  # those of the mailbox, with or without the account
        lambda user: Unsubscription.objects.filter(
            address_digest=digest_of(user.email) if user.email_verified else ""
        ),
        ("kind", "created_at"),
    ),
    Section(
        "changes",  # changes to this account, by others and by itself
        changes_of,
        ("at", "action", "before", "after"),
    ),
    Section("events", lambda user: Event.objects.filter(organizer=user), _EVENT),
    Section(
        "series", lambda user: Series.objects.filter(organizer=user), (*_EVENT, "rule", "excluded")
    ),
    Section(
        "teams",  # roles on events of others, and open invitations to the confirmed address
        lambda user: TeamMember.objects.filter(
            Q(user=user) | Q(pk__in=TeamMember.objects.open_for(user).values("pk"))
        ),
        ("event_id", "series_id", "role", "state", "email", "invited_at", "expires_at"),
    ),
    Section(
        "door_links",
        lambda user: DoorLink.objects.filter(created_by=user),
        ("id", "event_id", "name", "created_at", "last_used_at", "withdrawn_at"),
    ),
    Section(
        "messages",
        lambda user: Message.objects.filter(author=user),
        ("id", "event_id", "subject", "body", "created_at"),
    ),
    Section(
        "registrations",
        lambda user: Registration.objects.filter(user=user),
        _REGISTRATION,
        {"event_name": F("event__name")},
    ),
    Section(
        "registrations_for_others",
        lambda user: Registration.objects.filter(Q(user=None) | ~Q(user=user), registered_by=user),
        _REGISTRATION,
        {"event_name": F("event__name")},
    ),
    Section(
        "unconfirmed_registrations",  # requests that the mailbox has not confirmed yet
        lambda user: AddressConfirmation.objects.filter(
            registration=None, **({"email": user.email} if user.email_verified else {"pk": None})
        ),
        ("event_id", "email", "expires_at"),
        {
            "event_name": F("event__name"),
            **{name: F(f"details__{name}") for name in _REQUEST},
        },
    ),
    Section(
        "history",  # ledger entries of own registrations, and own actions on others
        lambda user: LedgerEntry.objects.filter(Q(registration__user=user) | Q(actor=user)),
        ("at", "kind", "reason", "event_id", "registration_id"),
    ),
    Section(
        "scans",  # of own tickets at the door
        lambda user: Scan.objects.filter(registration__user=user),
        ("at", "kind", "refusal", "event_id", "registration_id"),
    ),
    Section(
        "feedback",
        lambda user: Feedback.objects.filter(author=user),
        ("id", "event_id", "rating", "comment", "created_at"),
    ),
)


def export_pieces(user: User, zone: tzinfo) -> Generator[bytes]:
    """The JSON object in pieces; times are in `zone`."""
    now = render_instant(timezone.now(), zone)
    yield b'{"exported_at":' + to_json(now) + b',"user":' + _render(_account(user), zone)
    for section in SECTIONS:
        yield b"," + to_json(section.name) + b":["
        for number, batch in enumerate(_batches(section, user)):
            yield (b"," if number else b"") + b",".join(_render(row, zone) for row in batch)
        yield b"]"
    yield b"}"


def _account(user: User) -> dict[str, Any]:
    return {
        "id": user.pk,
        "username": user.username,
        "email": user.shown_email,
        "email_verified_at": user.email_verified_at,
        "pending_email": user.pending_email or None,
        "role": user.role,
        "timezone": user.timezone,
        "is_staff": user.is_staff,
        "notification_preferences": preferences_of(user),
        "date_joined": user.date_joined,
        "last_login": user.last_login,
    }


def _batches(section: Section, user: User) -> Iterator[list[dict[str, Any]]]:
    """The rows in batches, ordered by primary key. No batch is empty."""
    rows = section.rows(user).order_by("pk").values("pk", *section.columns, **section.renamed)
    batch = list(rows[:ROWS_OF_A_BATCH])
    while batch:
        last = [row.pop("pk") for row in batch][-1]
        yield batch
        batch = list(rows.filter(pk__gt=last)[:ROWS_OF_A_BATCH])


def _render(row: dict[str, Any], zone: tzinfo) -> bytes:
    return to_json(
        {
            name: render_instant(value, zone) if isinstance(value, datetime) else value
            for name, value in row.items()
        }
    )
