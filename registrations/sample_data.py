"""Loads sample events, accounts and registrations from the files in sample_data/."""

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
from accounts.notifications.inbox import deliver_to_inbox_only
from config.api.files.csv_rows import ImportRefused, Row
from events.importing import import_key, import_rows
from events.importing.calendars import CalendarRow
from events.models import Category, Event, Series
from events.services import cancel_event
from events.zones import instant

from .models import Registration
from .serializers import FormIn
from .services import give_feedback, register, scan_tickets
from .services.checkin import ScanRequest
from .services.forms import put_form


@dataclass(frozen=True)
class Account:
    email: str
    role: str
    timezone: str
    is_admin: bool = False

    @property
    def known_password(self) -> str:
        """For example demo-password-2027. Public, so only for databases without other data."""
        return f"{self.email.partition('@')[0]}-password-2027"


ACCOUNTS = (
    Account("demo@example.com", User.Role.ORGANIZER, "Asia/Kolkata"),
    Account("ngaio@example.com", User.Role.ORGANIZER, "Pacific/Auckland"),
    Account("visitor@example.com", User.Role.ATTENDEE, "Europe/Berlin"),
    Account("admin@example.com", User.Role.ORGANIZER, "UTC", is_admin=True),
)


# An event that friends come to together, and that has to know something of each person.
_PARTIES_OF = ("snorkelling", 4)
_QUESTIONS = [
    {
        "key": "lunch",
        "label": "Lunch on the boat",
        "type": "choice",
        "required": True,
        "options": [
            {"value": "fish", "label": "Grilled fish"},
            {"value": "vegan", "label": "Vegan curry", "limit": 6},
        ],
    },
    {
        "key": "fins",
        "label": "Size of your fins",
        "help": "Leave it empty if you bring your own.",
        "type": "number",
        "min": 20,
        "max": 50,
        "ask": "each_person",
    },
    {"key": "swims", "label": "I can swim 200 metres", "type": "consent", "required": True},
]
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


@dataclass
class LoadResult:
    """What a run created; `passwords` of new accounts by address. False if it created nothing."""

    passwords: dict[str, str] = field(default_factory=dict)
    events: int = 0
    registrations: int = 0

    def __bool__(self) -> bool:
        return bool(self.passwords or self.events)


@transaction.atomic
def load_sample_data(*, known_passwords: bool) -> LoadResult:
    """Creates missing accounts, events and registrations. Existing ones stay unchanged.

    Without `known_passwords` each new account gets a random one. Raises `ImportRefused` if a file
    cannot be loaded.
    """
    result = LoadResult()
    users = {
        account.email: _get_or_create_account(account, result, known_passwords)
        for account in ACCOUNTS
    }
    plans = {plan["key"]: plan for plan in _read("events.csv")}
    events = _create_events(plans, users)
    result.registrations = _register_attendees(events, users)
    _ask_questions(events)
    for key, event in events.items():
        if plans[key]["status"] == Event.Status.CANCELLED:
            cancel_event(event, reason="Storm warning for the whole weekend.")
        if int(plans[key]["starts_in_days"]) < 0:
            _move_into_the_past(event, plans[key])
            _give_sample_feedback(event)
    _set_coordinates(events, plans)
    # The addresses are made up, or their owners did not consent: they get no mail, now or later.
    series = {event.series_id for event in events.values() if event.series_id}
    Series.objects.filter(pk__in=series).update(reminder_hours=[])
    listed = [event.pk for event in events.values()]
    is_new = Q(pk__in=listed) | Q(series__in=series)
    new_ids = list(Event.objects.filter(is_new).values_list("pk", flat=True))
    result.events = len(new_ids)
    Event.objects.filter(pk__in=new_ids).update(reminder_hours=[], feedback_asked_at=timezone.now())
    deliver_to_inbox_only(new_ids)
    return result


def accounts_with_known_password() -> list[Account]:
    """The sample accounts of this database that still have their `known_password`."""
    users = {user.email: user for user in _sample_accounts()}
    return [
        account
        for account in ACCOUNTS
        if account.email in users
        and check_password(account.known_password, users[account.email].password)
    ]


def _get_or_create_account(account: Account, result: LoadResult, known_passwords: bool) -> User:
    user = User.objects.filter(email=account.email).first()
    if user is None:
        password = account.known_password if known_passwords else secrets.token_urlsafe(12)
        result.passwords[account.email] = password
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


def _create_events(plans: dict[str, dict[str, Any]], users: dict[str, User]) -> dict[str, Event]:
    """Creates the events that are missing and returns them by key."""
    digests = {import_key(_identity(key)): key for key in plans}
    sample_events = Event.objects.filter(import_key__in=digests, organizer__in=users.values())
    for digest in sample_events.values_list("import_key", flat=True):
        del digests[str(digest)]
    for email, organizer in users.items():
        rows = [_row(plans[key]) for key in digests.values() if plans[key]["organizer"] == email]
        report = import_rows(rows, organizer)
        if report.errors:
            raise ImportRefused(f"sample_data/events.csv: {report.errors[0]}")
    created = sample_events.filter(import_key__in=digests)
    return {digests[str(event.import_key)]: event for event in created}


def _set_coordinates(events: dict[str, Event], plans: dict[str, dict[str, Any]]) -> None:
    """Sets the coordinates of the plans that have them, also on all occurrences of a series."""
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
        # Past events take no registrations: it starts tomorrow until all attendees are registered.
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

    A plan with a `weekday` starts on the first such day on or after `starts_in_days`. So a Saturday
    workshop is on a Saturday.
    """
    today = timezone.localdate(timezone=ZoneInfo(plan["timezone"]))
    day = today + timedelta(days=int(plan["starts_in_days"]))
    if plan["weekday"]:
        day += timedelta(days=(_WEEKDAYS.index(plan["weekday"]) - day.weekday()) % 7)
    start = datetime.combine(day, time.fromisoformat(plan["time"]))
    return start, start + timedelta(hours=float(plan["duration_hours"]))


def _register_attendees(events: dict[str, Event], users: dict[str, User]) -> int:
    """Registers attendees for new events, in the order of the file; returns their number."""
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


def _ask_questions(events: dict[str, Event]) -> None:
    """Gives one event parties and a form, after its attendees have registered without it."""
    key, size = _PARTIES_OF
    if key not in events:
        return
    form = FormIn(data={"questions": _QUESTIONS})
    form.is_valid(raise_exception=True)
    put_form(events[key], form.validated_data["questions"])
    Event.objects.filter(pk=events[key].pk).update(max_party_size=size, edited_since_import=False)


def _move_into_the_past(event: Event, plan: dict[str, Any]) -> None:
    """Moves an event to its planned time in the past, and checks in three of four attendees.

    They are checked in by scans, since statistics count the ledger.
    """
    start, end = (instant(moment, event.zone) for moment in _times(plan))
    announced, registered = start - timedelta(days=60), start - timedelta(days=14)
    Event.objects.filter(pk=event.pk).update(
        start_time=start, end_time=end, created_at=announced, updated_at=announced
    )
    attendees = Registration.objects.filter(event=event)
    attendees.update(registered_at=registered, confirmed_at=registered)
    event.refresh_from_db()
    tickets = attendees.order_by("email").values_list("ticket_code", flat=True)
    scans = [ScanRequest(code, at=start) for number, code in enumerate(tickets) if number % 4]
    scan_tickets(event, scans, by=event.organizer)


def _give_sample_feedback(event: Event) -> None:
    """Gives feedback in the name of the attendees with an account."""
    comment = "Everybody left with a site that runs. Bring a charger."
    for author in User.objects.filter(registrations__event=event):
        give_feedback(event, author=author, rating=5, comment=comment)


def count_wiped_rows() -> dict[str, int]:
    """The number of rows that `wipe_events` deletes, by model; models without rows are left out."""
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
    """Deletes all events with everything that refers to them, and the sample accounts.

    Other accounts and the categories stay. TRUNCATE names each table and has no CASCADE, so the
    database refuses to empty a table that was not counted.
    """
    tables = ", ".join(connection.ops.quote_name(model._meta.db_table) for model in _wiped_models())
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {tables}")
    _sample_accounts().delete()


def _sample_accounts() -> models.QuerySet[User]:
    return User.objects.filter(email__in=[account.email for account in ACCOUNTS])


def _wiped_models() -> list[type[models.Model]]:
    """The models of events and registrations but `Category`, and all that refer to them."""
    pending = [
        model
        for app in ("events", "registrations")
        for model in apps.get_app_config(app).get_models(include_auto_created=True)
        if model is not Category
    ]
    wiped: list[type[models.Model]] = []
    while pending:
        model = pending.pop(0)
        if model in wiped:
            continue
        wiped.append(model)
        pending += [
            relation.related_model
            for relation in model._meta.get_fields(include_hidden=True)
            if isinstance(relation, models.ManyToOneRel)
        ]
    return wiped
