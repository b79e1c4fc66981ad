"""Records changes by organizers and staff, in the transaction that makes them.

A service is decorated, and its model lists the recorded columns in `audited_fields`::

    @transaction.atomic
    @audited("edited")
    def edit_event(event: Event, changes: dict[str, Any]) -> Event: ...

The actor is the account that the request is authenticated as; see `set_actor`. Columns with secrets
(passwords, generations of tokens) are never recorded.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import structlog
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.db.models import Model, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from config.api.request_ids import current_request_id
from config.api.sql.compiled_queries import fetch

from .models import AuditEntry

P = ParamSpec("P")
M = TypeVar("M", bound=Model)
R = TypeVar("R")

ERASED = "(erased)"

_actor_id: ContextVar[int | None] = ContextVar("audit_actor_id", default=None)

_key_id: ContextVar[int | None] = ContextVar("audit_key_id", default=None)

_ERASE = """
    UPDATE accounts_auditentry SET
        before = (SELECT coalesce(jsonb_object_agg(key, %(erased)s::text), '{}')
            FROM jsonb_object_keys(before) AS key),
        after = (SELECT coalesce(jsonb_object_agg(key, %(erased)s::text), '{}')
            FROM jsonb_object_keys(after) AS key)
    WHERE id = ANY(%(ids)s)
"""

_ATTRIBUTE = """
    UPDATE accounts_pendingchange SET actor_id = %(actor)s, key_id = %(key)s
    WHERE xid = pg_current_xact_id_if_assigned()
        AND (actor_id IS NULL OR (actor_id = %(actor)s AND key_id IS NULL))
"""

_RECORD = """
    INSERT INTO accounts_auditentry
        (at, actor_id, key_id, action, kind, row_id, before, after, request_id)
    VALUES (
        %(at)s, %(actor)s, %(key)s, %(action)s, %(kind)s, %(row_id)s, %(before)s, %(after)s,
        %(request_id)s
    )
"""

# One statement, and not two by the ORM: it is sent while the caller holds the lock of the row.
_RECORD_AND_ATTRIBUTE = f"WITH attributed AS ({_ATTRIBUTE}) {_RECORD}"

_ABOUT_PEOPLE = ("user", "registration")
_OLD = """
    SELECT id FROM accounts_auditentry
    WHERE kind = ANY(%(kinds)s) AND at < %(before)s AND EXISTS (
        SELECT FROM jsonb_each_text(before || after) WHERE value IS DISTINCT FROM %(erased)s
    )
"""


def set_actor(user_id: int, key_id: int | None = None) -> None:
    """Set the account that sent the current request, and its API key. Log lines contain both."""
    _actor_id.set(user_id)
    structlog.contextvars.bind_contextvars(user_id=user_id)
    _key_id.set(key_id)
    if key_id is not None:
        structlog.contextvars.bind_contextvars(key_id=key_id)


def clear_actor() -> None:
    """End what `set_actor` set. A thread handles many requests, so each one ends with this."""
    _actor_id.set(None)
    _key_id.set(None)
    structlog.contextvars.unbind_contextvars("user_id", "key_id")


def actor_id() -> int | None:
    """The account that sent the current request. None for guests, commands and the system."""
    return _actor_id.get()


def key_id() -> int | None:
    """The API key that the current request was made with, if any."""
    return _key_id.get()


def audited(
    action: str,
    *,
    always: bool = False,
    unless: Callable[[Any, int | None], bool] | None = None,
) -> Callable[[Callable[Concatenate[M, P], R]], Callable[Concatenate[M, P], R]]:
    """Record the changes that a service makes to its first argument. Below `@transaction.atomic`.

    The row is locked before it is read, as by the service. `always` also records a call that
    changes no recorded column. A call is not recorded if `unless` is true for the row and the
    actor's id.
    """

    def decorate(service: Callable[Concatenate[M, P], R]) -> Callable[Concatenate[M, P], R]:
        @wraps(service)
        def recorded(row: M, /, *args: P.args, **kwargs: P.kwargs) -> R:
            if unless is not None and unless(row, actor_id()):
                result = service(row, *args, **kwargs)
                attribute_changes()
                return result
            before = _stored(row)
            result = service(row, *args, **kwargs)
            after = _stored(row)
            names = before.keys() | after.keys()
            changed = {name for name in names if before.get(name) != after.get(name)}
            if changed or always:
                record(
                    row,
                    action,
                    before={name: before[name] for name in changed & before.keys()},
                    after={name: after[name] for name in changed & after.keys()},
                )
            else:
                attribute_changes()
            return result

        return recorded

    return decorate


def record(
    row: Model, action: str, *, before: dict[str, Any] | None = None, after: dict[str, Any]
) -> None:
    values = {
        "at": timezone.now(),
        "actor": actor_id(),
        "key": key_id(),
        "action": action,
        "kind": row._meta.model_name,
        "row_id": str(row.pk),
        "before": json.dumps(before or {}, cls=DjangoJSONEncoder),
        "after": json.dumps(after, cls=DjangoJSONEncoder),
        "request_id": current_request_id(),
    }
    is_attributed = values["actor"] is not None and connection.in_atomic_block
    with connection.cursor() as cursor:
        cursor.execute(_RECORD_AND_ATTRIBUTE if is_attributed else _RECORD, values)


def attribute_changes() -> None:
    """Name the actor in the changes that the current transaction has recorded without one.

    Triggers record the changes and do not know who sent the request. They name the organizer or the
    author of a new row. A key has to be added to those.
    """
    if actor_id() is None or not connection.in_atomic_block:
        return
    with connection.cursor() as cursor:
        cursor.execute(_ATTRIBUTE, {"actor": actor_id(), "key": key_id()})


@contextmanager
def attributed_to_key() -> Iterator[None]:
    """Name the API key of the request, if there is one, in the changes that are recorded inside."""
    if key_id() is None:
        yield
        return
    with transaction.atomic():
        yield
        attribute_changes()


def changes_of(row: Model) -> Any:
    """The entries about one row, the latest first."""
    return AuditEntry.objects.filter(kind=row._meta.model_name, row_id=str(row.pk)).order_by("-id")


@transaction.atomic
def erase_values(rows: QuerySet[Any]) -> None:
    """Erase the values in the entries about these rows. Actor, action and time stay."""
    names = rows.order_by().annotate(row_name=Cast("pk", TextField())).values("row_name")
    kind = ContentType.objects.get_for_model(rows.model)
    LogEntry.objects.filter(content_type=kind, object_id__in=names).update(object_repr=ERASED)
    entries = AuditEntry.objects.filter(kind=rows.model._meta.model_name, row_id__in=names)
    _erase(list(entries.values_list("pk", flat=True)))


def old_values(before: datetime) -> int:
    """The number of entries about people from before that time that still have values."""
    return len(_with_old_values(before))


@transaction.atomic
def erase_old_values(before: datetime) -> int:
    """Erase those values. Returns the number of entries."""
    kinds = ContentType.objects.filter(model__in=_ABOUT_PEOPLE)
    old = LogEntry.objects.filter(content_type__in=kinds, action_time__lt=before)
    old.exclude(object_repr=ERASED).update(object_repr=ERASED)
    ids = _with_old_values(before)
    _erase(ids)
    return len(ids)


def _with_old_values(before: datetime) -> list[int]:
    parameters: dict[str, Any] = {
        "kinds": list(_ABOUT_PEOPLE),
        "before": before,
        "erased": ERASED,
    }
    with connection.cursor() as cursor:
        cursor.execute(_OLD, parameters)
        return [entry_id for (entry_id,) in cursor.fetchall()]


def _erase(ids: list[int]) -> None:
    """Erase the values of entries. The caller has a transaction."""
    if not ids:
        return
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL accounts.audit_erasure = 'on'")
        cursor.execute(_ERASE, {"ids": ids, "erased": ERASED})
        cursor.execute("SET LOCAL accounts.audit_erasure = 'off'")


def _stored(row: Model) -> dict[str, Any]:
    """The recorded columns of the row, which is locked. Empty if it does not exist."""
    model: Any = type(row)
    names: tuple[str, ...] = model.audited_fields

    def stored(values: list[Any] | None) -> QuerySet[Any, Any]:
        rows = model._base_manager.filter(pk=(values or [row.pk])[0])
        return rows.select_for_update(no_key=True).values_list(*names)  # type: ignore[no-any-return]

    key = ("recorded columns", model._meta.label)
    for columns in fetch(key, stored, [row.pk], prepare=True):
        return dict(zip(names, columns, strict=True))
    return {}
