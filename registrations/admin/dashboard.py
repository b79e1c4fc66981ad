"""The first page of the admin: registrations, the next events, and the health of background work.

Each part is read only for staff who may view its rows, by a fixed number of statements. Times are
in the zone of the staff member's account.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from django.core.cache import cache
from django.db import connection
from django.db.models import Count, Max, Min
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob, ProcrastinateWorker

from accounts.models import Notification, User
from accounts.notifications import outbox
from config.api.sql.time_limits import TookTooLong, limited
from config.api.staff_rights import has_staff_right
from events.models import Event

from ..models import WebhookDelivery
from ..webhooks import figures
from .charts import Chart, chart_of

DAYS = 30
MAX_EVENTS = 8
MAX_FAILURES = 5

# No index has the times of all registrations, since each index slows registering down. So the
# whole table is read, once a minute at most and within a limit.
_LIMIT_MILLISECONDS = 2000
_CACHED_SECONDS = 60
_REGISTERED = """
    SELECT date_bin('15 minutes', registered_at, 'epoch') AS slot, sum(party_size)
    FROM registrations_registration WHERE registered_at >= %s GROUP BY 1
"""

# Workers report every ten seconds.
_WORKER_TIMEOUT = timedelta(seconds=60)
# From then on somebody should look at the queue.
_LATE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Fill:
    """An event and how full it is. `percent` is None without a limit."""

    event: Event
    percent: int | None


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of the background work. `is_bad` if somebody should look at it."""

    name: str
    value: Any
    is_bad: bool = False


def dashboard_of(staff: User) -> dict[str, Any]:
    """The parts that a staff member may see; the others are None."""
    zone = ZoneInfo(staff.timezone)

    def part(permission: str, read: Callable[[tzinfo], Any]) -> Any:
        return read(zone) if has_staff_right(staff, permission) else None

    return {
        "zone": staff.timezone,
        "days": DAYS,
        "sees_registrations": has_staff_right(staff, "registrations.view_registration"),
        "chart": part("registrations.view_registration", registrations_chart),
        "fills": part("events.view_event", lambda zone: next_events()),
        "jobs": part("procrastinate.view_procrastinatejob", lambda zone: jobs()),
        "mails": part("accounts.view_notification", lambda zone: mails()),
        "deliveries": part("registrations.view_webhookdelivery", lambda zone: deliveries()),
    }


def registrations_chart(zone: tzinfo) -> Chart | None:
    """People who registered on each of the last days. None if counting takes too long."""
    today = timezone.now().astimezone(zone).date()
    first = today - timedelta(days=DAYS - 1)
    name = f"admin:registered:{zone}:{today}"
    counts = cache.get(name)
    if counts is None:
        try:
            counts = _registered_by_day(first, zone)
        except TookTooLong:
            return None
        cache.set(name, counts, _CACHED_SECONDS)
    days = [first + timedelta(days=number) for number in range(DAYS)]
    return chart_of([(day, counts.get(day, 0)) for day in days])


def _registered_by_day(first: date, zone: tzinfo) -> dict[date, int]:
    start = datetime.combine(first, datetime.min.time(), zone)
    with limited(connection, milliseconds=_LIMIT_MILLISECONDS), connection.cursor() as cursor:
        cursor.execute(_REGISTERED, [start])
        rows = cursor.fetchall()
    # Days are those of Python's zones, since PostgreSQL may lack one. Every offset of a zone is a
    # multiple of a quarter of an hour.
    counts = Counter[date]()
    for slot, people in rows:
        counts[slot.astimezone(zone).date()] += int(people)
    return dict(counts)


def next_events() -> list[Fill]:
    events = Event.objects.published().upcoming().order_by("start_time", "pk")
    columns = ("name", "start_time", "timezone", "max_capacity", "registered_count",
               "waitlist_count")  # fmt: skip
    return [
        Fill(
            event,
            event.max_capacity and min(100, 100 * event.registered_count // event.max_capacity),
        )
        for event in events.only(*columns)[:MAX_EVENTS]
    ]


def jobs() -> dict[str, Any]:
    """The queue of background jobs, and the latest that failed."""
    now = timezone.now()
    counts: dict[str, int] = dict(
        ProcrastinateJob.objects.order_by().values_list("status").annotate(Count("id"))
    )
    due = ProcrastinateJob.objects.filter(status="todo").exclude(scheduled_at__gt=now)
    oldest = due.aggregate(at=Min("procrastinateevent__at"))["at"]
    waited = _seconds_since(oldest, now)
    alive = ProcrastinateWorker.objects.filter(last_heartbeat__gte=now - _WORKER_TIMEOUT).count()
    failed = ProcrastinateJob.objects.filter(status="failed")
    failed_at = Max("procrastinateevent__at")
    return {
        "figures": [
            Figure("Workers", alive, is_bad=not alive),
            Figure("Waiting or scheduled", counts.get("todo", 0)),
            Figure("Running", counts.get("doing", 0)),
            Figure("Oldest due job", _duration(waited), is_bad=waited > _LATE_SECONDS),
            Figure("Failed", counts.get("failed", 0), is_bad=bool(counts.get("failed"))),
        ],
        "failures": failed.annotate(at=failed_at).order_by("-id")[:MAX_FAILURES],
    }


def mails() -> dict[str, Any]:
    """The queue of notifications, and the latest that were given up."""
    now = timezone.now()
    backlog = outbox.backlog()
    states = outbox.deliveries_since(now - timedelta(hours=24))
    mailers = len(outbox.mailers.running())
    late = backlog.oldest_seconds > _LATE_SECONDS
    parked = Notification.objects.filter(state=Notification.State.PARKED)
    return {
        "figures": [
            Figure("Mailers", mailers, is_bad=not mailers),
            Figure("Due", backlog.due),
            Figure("Oldest due mail", _duration(backlog.oldest_seconds), is_bad=late),
            Figure("Sent, of the last 24 hours", states["sent"]),
            Figure("Given up", backlog.parked, is_bad=bool(backlog.parked)),
        ],
        "failures": parked.only("kind", "error", "created_at").order_by("-id")[:MAX_FAILURES],
    }


def deliveries() -> dict[str, Any]:
    """What is sent to webhooks, and the latest deliveries of a day whose attempts all failed."""
    backlog, webhooks = figures.backlog(), figures.webhooks_by_state()
    since = timezone.now() - timedelta(hours=24)
    failed = WebhookDelivery.objects.filter(
        state=WebhookDelivery.State.FAILED, created_at__gte=since
    )
    number, late = failed.count(), backlog.oldest_seconds > _LATE_SECONDS
    return {
        "figures": [
            Figure("Working webhooks", webhooks["working"]),
            Figure("Failing webhooks", webhooks["failing"], is_bad=bool(webhooks["failing"])),
            Figure("Due", backlog.due),
            Figure("Oldest due", _duration(backlog.oldest_seconds), is_bad=late),
            Figure("Failed in 24 hours", number, is_bad=bool(number)),
        ],
        "failures": failed.select_related("webhook").order_by("-created_at")[:MAX_FAILURES],
    }


def _seconds_since(at: datetime | None, now: datetime) -> float:
    return max(0.0, (now - at).total_seconds()) if at else 0.0


def _duration(seconds: float) -> str:
    minutes = round(seconds) // 60
    if minutes >= 120:  # two hours
        return f"{minutes // 60} h"
    return f"{minutes} min" if minutes else f"{round(seconds)} s"
