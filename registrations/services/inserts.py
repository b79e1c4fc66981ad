"""The INSERTs of registrations, their ledger entries and their notifications.

Statements that take seats insert all three, for one registration or for thousands. Each function
returns an INSERT of one row for each row of `source`, which is the text after FROM. `source` has
the columns `id`, `event_id`, `user_id`, `email` and `party_size` of a registration, and others
that the functions name.
"""

from collections.abc import Mapping

_REGISTRATION = {
    "id": "id",
    "event_id": "event_id",
    "user_id": "user_id",
    "registered_by_id": "registered_by_id",
    "name": "name",
    "email": "email",
    "source": "source",
    "show_name": "show_name",
    "status": "CASE WHEN queue_number IS NULL THEN 'confirmed' ELSE 'waitlisted' END",
    "queue_number": "queue_number",
    "ticket_code": "ticket_code",
    "link_version": "link_version",
    "party_size": "party_size",
    "guests": "guests",
    "answers": "answers",
    "registered_at": "at",
    "confirmed_at": "CASE WHEN queue_number IS NULL THEN at END",
}

# The kinds for a new registration, by its queue number.
ENTRY_OF_NEW = "CASE WHEN queue_number IS NULL THEN 'registered' ELSE 'queued' END"
NOTIFICATION_OF_NEW = """CASE
    WHEN queue_number IS NULL THEN 'registration_confirmed' ELSE 'registration_waitlisted'
END"""


def insert_registrations(source: str) -> str:
    """A registration is confirmed if its `queue_number` is NULL, else waitlisted.

    `source` also has `registered_by_id`, `name`, `source`, `show_name`, `ticket_code`,
    `link_version`, `guests`, `answers` and `at`.
    """
    return _insert("registrations_registration", _REGISTRATION, source)


def insert_ledger_entries(source: str, *, kind: str) -> str:
    """`kind` is an expression over `source`, which also has `at`.

    The parameters are `actor_id`, `key_id` and `reason`.
    """
    values = {
        "event_id": "event_id",
        "registration_id": "id",
        "kind": kind,
        "at": "at",
        "actor_id": "%(actor_id)s::bigint",
        "key_id": "%(key_id)s::bigint",
        "reason": "%(reason)s",
        "people": "party_size",
    }
    return _insert("registrations_ledgerentry", values, source)


def insert_notifications(source: str, *, kind: str) -> str:
    """One notification of a kind for each registration, due at the parameter `now`.

    `kind` is an expression over `source`. The parameter `request_id` is that of the log lines.
    """
    values = {
        "kind": kind,
        "key": f"{kind} || ':' || id",
        "user_id": "user_id",
        "email": "email",
        "event_id": "event_id",
        "registration_id": "id",
        "request_id": "%(request_id)s::text",
        **dict.fromkeys(("created_at", "due_at", "attempt_at"), "%(now)s"),
    }
    return _insert("accounts_notification", values, source)


def _insert(table: str, values: Mapping[str, str], source: str) -> str:
    columns, expressions = ", ".join(values), ", ".join(values.values())
    return f"INSERT INTO {table} ({columns}) SELECT {expressions} FROM {source}"  # noqa: S608  # nosec  # composed of constants only
