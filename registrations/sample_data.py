"""A small world to try things out in, read from the files in sample_data/."""

import csv
import secrets
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.apps import apps
from django.conf import settings
from django.contrib.auth.hashers import check_password
from django.db import connection, models, transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from accounts.notifications.inbox import keep_in_inbox
from config.api.files.csv_rows import ImportRefused, Row
from events.importing import import_key, import_rows
from events.importing.calendars import CalendarRow
from events.models import Category, Event, Series
from events.services import cancel_event
from events.zones import instant

from .models import Registration
from .services import give_feedback, register


@dataclass(frozen=True)
class Account:
    email: str
    role: str
    timezone: str
    is_admin: bool = False

    @property
    def known_password(self) -> str:
        """Such as demo-password-2027: in the open, so for databases that hold nothing else."""
        return f"{self.email.partition('@')[0]}-password-2027"


ACCOUNTS = (
    Account("demo@example.com", User.Role.ORGANIZER, "Asia/Kolkata"),
    Account("ngaio@example.com", User.Role.ORGANIZER, "Pacific/Auckland"),
    Account("visitor@example.com", User.Role.ATTENDEE, "Europe/Berlin"),
    Account("admin@example.com", User.Role.ORGANIZER, "UTC", is_admin=True),
)


_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


@dataclass
class Loaded:
    """What was made, as opposed to found; `passwords` of new accounts by address."""

    passwords: dict[str, str] = field(default_factory=dict)
    events: int = 0
    registrations: int = 0

    def __bool__(self) -> bool:
        return bool(self.passwords or self.events)


@transaction.atomic
def load_sample_data(*, known_passwords: bool) -> Loaded:
    """Make what is not there yet; what is there stays as it is by now.

    Without `known_passwords` each new account gets a random one. Raises `ImportRefused` when a
    file has been changed to something that cannot be loaded.
    """
    loaded = Loaded()
    users = {account.email: _find_or_make(account, loaded, known_passwords) for account in ACCOUNTS}
    plans = {plan["key"]: plan for plan in _read("events.csv")}
    events = _make_events(plans, users)
    loaded.registrations = _register_attendees(events, users)
    for key, event in events.items():
        if plans[key]["status"] == Event.Status.CANCELLED:
            cancel_event(event, reason="Storm warning for the whole weekend.")
        if int(plans[key]["starts_in_days"]) < 0:
            _move_into_the_past(event, plans[key])
            _tell_how_it_was(event)
    _set_coordinates(events, plans)
    # These addresses are made up, or belong to nobody who asked: they get no mail, now or later.
    series = {event.series_id for event in events.values() if event.series_id}
    Series.objects.filter(pk__in=series).update(reminder_hours=[])
    firsts = [event.pk for event in events.values()]
    is_made = Q(pk__in=firsts) | Q(series__in=series)
    made = list(Event.objects.filter(is_made).values_list("pk", flat=True))
    loaded.events = len(made)
    Event.objects.filter(pk__in=made).update(reminder_hours=[], feedback_asked_at=timezone.now())
    keep_in_inbox(made)
    return loaded


def accounts_with_known_password() -> list[Account]:
    """The sample accounts of this database that `Account.known_password` signs in to."""
    users = {user.email: user for user in _sample_accounts()}
    return [
        account
        for account in ACCOUNTS
        if account.email in users
        and check_password(account.known_password, users[account.email].password)
    ]


def _find_or_make(account: Account, loaded: Loaded, known_passwords: bool) -> User:
    user = User.objects.filter(email=account.email).first()
    if user is None:
        password = account.known_password if known_passwords else secrets.token_urlsafe(12)
        loaded.passwords[account.email] = password
        user = User.objects.create_user(
            account.email,
            password,
            role=account.role,
            timezone=account.timezone,
            email_verified_at=timezone.now(),
            is_staff=account.is_admin,
            is_superuser=account.is_admin,
        )
    return user


def _read(name: str) -> list[dict[str, Any]]:
    path = settings.BASE_DIR / "sample_data" / name
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        return [{**cells, "line": reader.line_num} for cells in reader]


def _make_events(plans: dict[str, dict[str, Any]], users: dict[str, User]) -> dict[str, Event]:
    """The events that were not there, by key."""
    digests = {import_key(_identity(key)): key for key in plans}
    ours = Event.objects.filter(import_key__in=digests, organizer__in=users.values())
    for digest in ours.values_list("import_key", flat=True):
        del digests[str(digest)]
    for email, organizer in users.items():
        rows = [_row(plans[key]) for key in digests.values() if plans[key]["organizer"] == email]
        report = import_rows(rows, organizer)
        if report.errors:
            raise ImportRefused(f"sample_data/events.csv: {report.errors[0]}")
    made = ours.filter(import_key__in=digests)
    return {digests[str(event.import_key)]: event for event in made}


def _set_coordinates(events: dict[str, Event], plans: dict[str, dict[str, Any]]) -> None:
    """`latitude` and `longitude` of the plans that have them, also for a series' occurrences."""
    for key, event in events.items():
        if plans[key]["latitude"]:
            siblings = Q(series=event.series_id) if event.series_id else Q(pk=event.pk)
            Event.objects.filter(siblings).update(
                latitude=float(plans[key]["latitude"]), longitude=float(plans[key]["longitude"])
            )


def _identity(key: str) -> str:
    return f"sample:{key}"


def _row(plan: dict[str, Any]) -> Row:
    start, end = _times(plan)
    if int(plan["starts_in_days"]) < 0:
        # What is over takes no registrations: it begins tomorrow until all have registered.
        start, end = _times(plan | {"starts_in_days": 1})
    status = "" if plan["status"] == Event.Status.CANCELLED else plan["status"]
    names = ("name", "description", "location", "timezone", "category", "max_capacity")
    cells = {name: plan[name] for name in (*names, "waitlist_enabled", "meeting_url")}
    cells |= {"start_time": start.isoformat(), "end_time": end.isoformat(), "status": status}
    identity = _identity(plan["key"])
    if plan["recurrence"]:
        return CalendarRow(plan["line"], cells, identity=identity, rule=plan["recurrence"])
    return Row(plan["line"], cells, identity=identity)


def _times(plan: dict[str, Any]) -> tuple[datetime, datetime]:
    """Start and end as wall-clock time in the event's zone.

    A plan with a `weekday` starts on the first such day from `starts_in_days` on, so that a
    Saturday workshop is on a Saturday.
    """
    today = timezone.localdate(timezone=ZoneInfo(plan["timezone"]))
    day = today + timedelta(days=int(plan["starts_in_days"]))
    if plan["weekday"]:
        day += timedelta(days=(_WEEKDAYS.index(plan["weekday"]) - day.weekday()) % 7)
    start = datetime.combine(day, time.fromisoformat(plan["time"]))
    return start, start + timedelta(hours=float(plan["duration_hours"]))


def _register_attendees(events: dict[str, Event], users: dict[str, User]) -> int:
    """In the order of the file, which so decides who waits. Only for events that are new."""
    count = 0
    for attendee in _read("attendees.csv"):
        user = users.get(attendee["email"])
        for key in attendee["attends"].split(";"):
            if key in events:
                register(
                    events[key].pk,
                    name=attendee["name"],
                    email=attendee["email"],
                    user=user,
                    registered_by=user,
                )
                count += 1
    return count


def _move_into_the_past(event: Event, plan: dict[str, Any]) -> None:
    """Three of four came."""
    start, end = (instant(moment, event.zone) for moment in _times(plan))
    announced, registered = start - timedelta(days=60), start - timedelta(days=14)
    Event.objects.filter(pk=event.pk).update(
        start_time=start, end_time=end, created_at=announced, updated_at=announced
    )
    attendees = Registration.objects.filter(event=event)
    attendees.update(registered_at=registered, confirmed_at=registered)
    came = [
        pk
        for number, pk in enumerate(attendees.order_by("email").values_list("pk", flat=True))
        if number % 4
    ]
    attendees.filter(pk__in=came).update(checked_in_at=start)


def _tell_how_it_was(event: Event) -> None:
    """Those with an account liked it."""
    event.refresh_from_db()
    comment = "Everybody left with a site that runs. Bring a charger."
    for author in User.objects.filter(registrations__event=event):
        give_feedback(event, author=author, rating=5, comment=comment)


# --- Starting over ------------------------------------------------------------------------------


def count_what_a_wipe_deletes() -> dict[str, int]:
    """Rows by what they are called, without those of which there are none."""
    counts = Counter(
        {
            str(model._meta.verbose_name_plural): model._default_manager.count()
            for model in _wiped_models()
        }
    )
    counts["sample accounts"] = _sample_accounts().count()
    return dict(+counts)


@transaction.atomic
def wipe_events() -> None:
    """Delete every event with all that hangs on it, and the sample accounts.

    Other accounts and the categories stay. The tables are named one by one, so that the database
    refuses to empty one that was not counted.
    """
    tables = ", ".join(connection.ops.quote_name(model._meta.db_table) for model in _wiped_models())
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {tables}")
    _sample_accounts().delete()


def _sample_accounts() -> models.QuerySet[User]:
    return User.objects.filter(email__in=[account.email for account in ACCOUNTS])


def _wiped_models() -> list[type[models.Model]]:
    """All of these two apps except the categories, and whatever refers to one of those."""
    waiting = [
        model
        for app in ("events", "registrations")
        for model in apps.get_app_config(app).get_models(include_auto_created=True)
        if model is not Category
    ]
    found: list[type[models.Model]] = []
    while waiting:
        model = waiting.pop(0)
        if model in found:
            continue
        found.append(model)
        waiting += [
            relation.related_model
            for relation in model._meta.get_fields(include_hidden=True)
            if isinstance(relation, models.ManyToOneRel)
        ]
    return found
