"""Attendee lists as files.

Each format is one class in `EXPORTS`; addresses, documentation and content types derive from it.
The columns are defined once, in SQL, and rows are streamed from the database in pieces: memory
stays flat whatever the number of attendees.
"""

from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any, Protocol

from django.db import connection, transaction

from config.errors import InvalidTimezone
from events.models import Event

from .models import RegistrationQuerySet

PIECE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Column:
    name: str
    sql: str
    kind: str = "plain"  # "text" is guarded against formulas, "time" is told in the zone


COLUMNS = (
    Column("name", "chosen.name", "text"),
    Column("email", "chosen.email", "text"),
    Column("status", "chosen.status"),
    Column("waitlist_position", "queue.place"),
    Column("registered_at", "chosen.registered_at", "time"),
    Column("confirmed_at", "chosen.confirmed_at", "time"),
    Column("cancelled_at", "chosen.cancelled_at", "time"),
    Column("checked_in_at", "chosen.checked_in_at", "time"),
    Column("ticket_code", "chosen.ticket_code"),
    Column("registration_id", "chosen.id"),
    Column("event_id", "chosen.event_id"),
    Column("event_name", "%(event_name)s::text", "text"),
)

ORDERINGS = {
    "registered_at": "chosen.registered_at, chosen.id",
    "-registered_at": "chosen.registered_at DESC, chosen.id DESC",
    "name": "lower(chosen.name), chosen.id",
    "-name": "lower(chosen.name) DESC, chosen.id DESC",
    "email": "chosen.email, chosen.id",
    "-email": "chosen.email DESC, chosen.id DESC",
}

# A spreadsheet runs a cell that begins with = + - @ as a formula, also after a tab or in full
# width. Phone numbers and negative numbers begin so too, and do no harm.
_GUARDED = r"""
    CASE WHEN {0} ~ '^[=@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]'
        OR ({0} ~ '^[+-]' AND {0} !~ '^(\+[0-9][0-9 ()./-]*|-[0-9]+([.,][0-9]+)?)$')
    THEN '''' || {0} ELSE {0} END"""

# ISO 8601 as everywhere in the API: microseconds only where there are any, UTC as Z.
_TIME = """to_char({0}, 'YYYY-MM-DD"T"HH24:MI:SS'
    || CASE WHEN date_trunc('second', {0}) = {0} THEN '' ELSE '.US' END || '{1}')"""

_SELECT = """
    WITH chosen AS ({chosen}), queue AS (
        SELECT id, row_number() OVER (ORDER BY queue_number) AS place
        FROM registrations_registration
        WHERE event_id = %(event_id)s AND status = 'waitlisted'
    )
    SELECT {columns} FROM chosen LEFT JOIN queue ON queue.id = chosen.id ORDER BY {ordering}
"""


@dataclass(frozen=True)
class Options:
    """What the caller may choose beside the format."""

    ordering: str = "registered_at"
    bom: bool = False
    raw: bool = False


class Export(Protocol):
    """A file format: how its name ends, its media type, and its bytes in pieces.

    `example` is shown in the OpenAPI document; None for a binary format.
    """

    name: str
    media_type: str
    example: Any

    def pieces(
        self, event: Event, rows: RegistrationQuerySet, zone: tzinfo, options: Options
    ) -> Generator[bytes]: ...


class CsvExport:
    """RFC 4180, written by PostgreSQL's COPY."""

    name = "csv"
    media_type = "text/csv; charset=utf-8"
    example = (
        "name,email,status,waitlist_position,registered_at,confirmed_at,cancelled_at,"
        "checked_in_at,ticket_code,registration_id,event_id,event_name\r\n"
        "Bob,bob@example.com,confirmed,,2026-11-21T08:00:00Z,2026-11-21T08:00:00Z,,,"
        "MZXW6YTBOI2DKNRX,5f0c7b1e-6a52-4d1c-9a3e-0d9c5a4e7f10,1,Global AI Summit\r\n"
    )

    def pieces(
        self, event: Event, rows: RegistrationQuerySet, zone: tzinfo, options: Options
    ) -> Generator[bytes]:
        piece = bytearray("\ufeff".encode() if options.bom else b"")
        piece += ",".join(column.name for column in COLUMNS).encode() + b"\r\n"
        select, parameters = _select(event, rows, zone, options)
        with transaction.atomic(), connection.cursor() as cursor:
            _tell_times_in(cursor, zone)
            with cursor.copy(f"COPY ({select}) TO STDOUT (FORMAT csv)", parameters) as copy:
                for line in copy:
                    piece += line[:-1]
                    piece += b"\r\n"  # COPY ends lines with LF, RFC 4180 with CRLF
                    if len(piece) >= PIECE_BYTES:
                        yield bytes(piece)
                        piece.clear()
            _tell_times_in(cursor, UTC)  # as everybody else on this connection expects
        yield bytes(piece)


EXPORTS: dict[str, Export] = {export.name: export for export in (CsvExport(),)}


def _select(
    event: Event, rows: RegistrationQuerySet, zone: tzinfo, options: Options
) -> tuple[str, dict[str, Any]]:
    """The statement that yields the columns in their order, and its parameters."""
    parameters: dict[str, Any] = {"event_id": event.pk, "event_name": event.name}
    sql, values = rows.order_by().query.sql_with_params()
    names = [f"chosen_{number}" for number in range(len(values))]
    parameters |= dict(zip(names, values, strict=True))
    chosen = sql % tuple(f"%({name})s" for name in names)
    columns = ", ".join(_rendered(column, zone, raw=options.raw) for column in COLUMNS)
    return (
        _SELECT.format(chosen=chosen, columns=columns, ordering=ORDERINGS[options.ordering]),
        parameters,
    )


def _rendered(column: Column, zone: tzinfo, *, raw: bool) -> str:
    if column.kind == "time":
        return _TIME.format(column.sql, '"Z"' if zone is UTC else "TZH:TZM")
    if column.kind == "text" and not raw:
        return _GUARDED.format(column.sql)
    return column.sql


def _tell_times_in(cursor: Any, zone: tzinfo) -> None:
    """Set the zone for this transaction; the server's own zone database may lack a recent name."""
    cursor.execute("SELECT EXISTS (SELECT FROM pg_timezone_names WHERE name = %s)", [str(zone)])
    if not cursor.fetchone()[0]:
        raise InvalidTimezone(f"The database does not know the zone {zone}; choose another one.")
    cursor.execute("SELECT set_config('TimeZone', %s, true)", [str(zone)])
