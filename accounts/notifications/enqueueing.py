"""Inserts notifications into the outbox, in the transaction that causes them."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import (
    BigIntegerField,
    Count,
    DateTimeField,
    JSONField,
    Max,
    QuerySet,
    TextField,
    UUIDField,
    Value,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast
from django.utils import timezone

from config.api.request_ids import current_request_id

from ..models import Notification, User
from .kinds import find_kind

_HEAD_START = timedelta(days=1)


def notify(
    kind: str,
    *,
    key: str,
    email: str,
    user: User | None = None,
    event_id: int | None = None,
    registration_id: UUID | None = None,
    facts: dict[str, Any] | None = None,
    due_at: datetime | None = None,
) -> None:
    """Enqueue one notification, once per `key`. It is delivered at `due_at` or later."""
    head_start = _head_start(kind)
    now = timezone.now()
    row = Notification(
        kind=kind,
        key=key,
        email=email,
        user=user,
        event_id=event_id,
        registration_id=registration_id,
        facts=facts or {},
        request_id=current_request_id(),
        created_at=now,
        due_at=due_at or now,
        attempt_at=(due_at or now) - head_start,
    )
    Notification.objects.bulk_create([row], ignore_conflicts=True)


def notify_many(
    kind: str,
    people: QuerySet[Any],
    *,
    key: Combinable,
    email: Combinable,
    user_id: Combinable | None = None,
    event_id: Combinable | None = None,
    registration_id: Combinable | None = None,
    facts: dict[str, Any] | Combinable | None = None,
    due_at: datetime | Combinable | None = None,
) -> int:
    """Enqueue one notification for each row of `people`, in one statement.

    The arguments are expressions over `people`, as for `annotate()`. Returns the number of new
    notifications.
    """
    head_start = _head_start(kind)
    now = timezone.now()
    due = due_at if isinstance(due_at, Combinable) else Value(due_at or now)
    facts = facts if isinstance(facts, Combinable) else Value(facts or {}, JSONField())
    columns: dict[str, Combinable] = {
        "kind": Value(kind),
        "key": Cast(key, TextField()),
        "email": Cast(email, TextField()),
        "user_id": Cast(user_id or Value(None), BigIntegerField()),
        "event_id": Cast(event_id or Value(None), BigIntegerField()),
        "registration_id": Cast(registration_id or Value(None), UUIDField()),
        "facts": Cast(facts, JSONField()),
        "request_id": Cast(Value(current_request_id()), TextField()),
        "created_at": Cast(Value(now), DateTimeField()),
        "due_at": Cast(due, DateTimeField()),
        "attempt_at": Cast(due, DateTimeField()) - Value(head_start),
    }
    selected = {f"notification_{name}": expression for name, expression in columns.items()}
    query = people.annotate(**selected).order_by().values_list(*selected).query
    select, parameters = query.get_compiler(DEFAULT_DB_ALIAS).as_sql()
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO accounts_notification ({', '.join(columns)}) {select}"
            " ON CONFLICT (key) DO NOTHING",
            parameters,
        )
        return int(cursor.rowcount)


def _head_start(kind: str) -> timedelta:
    """The time by which an urgent mail precedes others. The outbox is ordered by `attempt_at`."""
    registered = find_kind(kind)
    if registered is None:
        raise LookupError(f"No app has registered the kind {kind!r}.")
    return _HEAD_START if registered.is_urgent else timedelta(0)


class Enqueued:
    """The notifications that the current request has enqueued since this object was made."""

    def __init__(self) -> None:
        self._after = Notification.objects.aggregate(last=Max("pk", default=0))["last"]

    def by_kind(self) -> dict[str, int]:
        """Their numbers. The id of the request has to be that of no other."""
        rows = Notification.objects.filter(pk__gt=self._after, request_id=current_request_id())
        counts = rows.values_list("kind").annotate(number=Count("pk")).order_by("kind")
        return dict(counts)
