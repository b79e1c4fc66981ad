"""Metrics that are read from the database at each request to `/metrics`.

The worker and the mailer are other processes, perhaps on other hosts. What they do is in tables.
"""

import platform
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta

from django.conf import settings
from django.db import Error as AnyDatabaseError
from django.db import connection
from django.db.models import Count, Max, Min, Q
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob, ProcrastinateWorker
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from accounts.notifications import outbox
from registrations.services.answer_tallies import oldest_uncounted_seconds
from registrations.webhooks import figures
from registrations.webhooks.claims import senders

# Workers report every ten seconds.
_WORKER_TIMEOUT = timedelta(seconds=60)

_CONNECTIONS = """
    SELECT application_name, coalesce(state, 'unknown'), count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' GROUP BY 1, 2
"""


class DatabaseMetrics(Collector):
    """All metrics below. `database_up` is 0 when one of them cannot be read."""

    def collect(self) -> Iterator[Metric]:
        is_up = True
        for read in _READERS:
            try:
                yield from list(read())
            except AnyDatabaseError:
                is_up = False
        yield _gauge("database_up", "Whether the database responds.", is_up)
        yield _build()


def oldest_job_seconds() -> float:
    """For how long the oldest due job has waited for a worker. 0 without one."""
    due = ProcrastinateJob.objects.filter(status="todo").exclude(scheduled_at__gt=timezone.now())
    oldest = due.order_by("id").values_list("procrastinateevent__at", flat=True).first()
    return (timezone.now() - oldest).total_seconds() if oldest else 0.0


def _jobs() -> Iterator[Metric]:
    counts = dict.fromkeys(ProcrastinateJob.STATUSES, 0)
    rows = ProcrastinateJob.objects.values_list("status").annotate(Count("id"))
    counts.update(dict(rows.order_by()))
    yield _by_label("jobs", "Background jobs. Succeeded ones are deleted.", "state", counts)
    started_at = Max("procrastinateevent__at", filter=Q(procrastinateevent__type="started"))
    running = ProcrastinateJob.objects.filter(status="doing").annotate(started_at=started_at)
    oldest = running.aggregate(at=Min("started_at"))["at"]
    running_seconds = (timezone.now() - oldest).total_seconds() if oldest else 0.0
    ages = {"todo": oldest_job_seconds(), "doing": running_seconds}
    yield _by_label("jobs_oldest_seconds", "Age of the oldest due or running job.", "state", ages)
    alive = ProcrastinateWorker.objects.filter(last_heartbeat__gte=timezone.now() - _WORKER_TIMEOUT)
    yield _gauge("workers", "Running workers.", alive.count())


def _notifications() -> Iterator[Metric]:
    backlog = outbox.backlog()
    yield _gauge("notifications_due", "Notifications that are due and not sent yet.", backlog.due)
    yield _gauge(
        "notifications_oldest_due_seconds", "Age of the oldest of those.", backlog.oldest_seconds
    )
    yield _gauge("notifications_parked", "Notifications given up; see the admin.", backlog.parked)
    yield _by_label(
        "deliveries_last_hour",
        "Notifications of the last hour by their present state: sent, shown in the inbox, …",
        "state",
        outbox.deliveries_since(timezone.now() - timedelta(hours=1)),
    )
    yield _gauge("mailers", "Connections of running mailers.", len(outbox.mailers.running()))


def _webhooks() -> Iterator[Metric]:
    backlog = figures.backlog()
    yield _by_label("webhooks", "Webhooks by state.", "state", figures.webhooks_by_state())
    yield _gauge("webhook_deliveries_due", "Deliveries that are due and not sent.", backlog.due)
    yield _gauge(
        "webhook_deliveries_oldest_due_seconds",
        "Age of the oldest of those.",
        backlog.oldest_seconds,
    )
    yield _by_label(
        "webhook_deliveries_last_hour",
        "Deliveries that were queued in the last hour, by their present state.",
        "state",
        figures.deliveries_of_last_hour(),
    )
    yield _gauge("webhook_senders", "Connections of running senders.", len(senders.running()))


def _answers() -> Iterator[Metric]:
    yield _gauge(
        "answers_oldest_uncounted_seconds",
        "Age of the oldest answers that are not counted yet.",
        oldest_uncounted_seconds(),
    )


def _connections() -> Iterator[Metric]:
    family = GaugeMetricFamily(
        "database_connections", "Connections to this database.", labels=["application", "state"]
    )
    with connection.cursor() as cursor:
        cursor.execute(_CONNECTIONS)
        for application, state, count in cursor.fetchall():
            family.add_metric([application, state], count)
        cursor.execute("SELECT current_setting('max_connections')::int")
        max_connections: int = cursor.fetchone()[0]
    yield family
    yield _gauge("database_max_connections", "The limit of the server.", max_connections)


_READERS: tuple[Callable[[], Iterator[Metric]], ...] = (
    _jobs,
    _notifications,
    _webhooks,
    _answers,
    _connections,
)


def _build() -> Metric:
    labels = {
        "version": str(settings.SPECTACULAR_SETTINGS["VERSION"]),
        "release": settings.RELEASE,
        "python": platform.python_version(),
    }
    family = GaugeMetricFamily("build_info", "The running code.", labels=list(labels))
    family.add_metric(list(labels.values()), 1)
    return family


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(name, meaning, value)


def _by_label(name: str, meaning: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=[label])
    for text, value in values.items():
        family.add_metric([text], value)
    return family
