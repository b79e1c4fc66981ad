"""Attendee lists as files.

Each format is one class in `EXPORTS`; addresses, documentation and content types derive from it.
The columns are defined once, in SQL, and rows are streamed from the database in pieces: memory
stays flat whatever the number of attendees.
"""

import re
from collections.abc import Collection, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, tzinfo
from tempfile import TemporaryFile
from typing import Any, Protocol

from django.db import DataError, connection, transaction

from config.api.http.negotiation import to_json
from config.errors import InvalidTimezone
from events.models import Event

from ..models import RegistrationQuerySet
from .streaming import PIECE_BYTES
from .xlsx import XmlColumn, rows_as_xml, write_workbook

ROWS_OF_A_BATCH = 1000


@dataclass(frozen=True)
class Column:
    name: str
    sql: str
    # "text" was written by people and is guarded against formulas; "event name" is such a text,
    # the same in every row; "time" is told in the zone; "number" is one in JSON and XML too.
    kind: str = "plain"


# Looked up in one value that is made once. A join with the queue would be as the planner guesses
# its length: a loop over all of it for each row, or a sort of all rows before the first is sent.
_PLACE = """CASE WHEN chosen.status = 'waitlisted' THEN ((
    SELECT jsonb_object_agg(id, place) FROM (
        SELECT id, row_number() OVER (ORDER BY queue_number) AS place
        FROM registrations_registration WHERE event_id = %(event_id)s AND status = 'waitlisted'
    ) AS queue
) ->> chosen.id::text)::bigint END"""

COLUMNS = (
    Column("name", "chosen.name", "text"),
    Column("email", "chosen.email", "text"),
    Column("status", "chosen.status"),
    Column("waitlist_position", _PLACE, "number"),
    Column("registered_at", "chosen.registered_at", "time"),
    Column("confirmed_at", "chosen.confirmed_at", "time"),
    Column("cancelled_at", "chosen.cancelled_at", "time"),
    Column("checked_in_at", "chosen.checked_in_at", "time"),
    Column("ticket_code", "chosen.ticket_code"),
    Column("registration_id", "chosen.id"),
    Column("event_id", "chosen.event_id", "number"),
    Column("event_name", "%(event_name)s::text", "event name"),
)

# As `config.api.text.folding.alphabetical` has it, and so the index.
_NAME_KEY = 'text_alphabet_key(chosen.name) COLLATE "C"'

ORDERINGS = {
    "registered_at": "chosen.registered_at, chosen.id",
    "-registered_at": "chosen.registered_at DESC, chosen.id DESC",
    "name": f"{_NAME_KEY}, chosen.id",
    "-name": f"{_NAME_KEY} DESC, chosen.id DESC",
    "email": "chosen.email, chosen.id",
    "-email": "chosen.email DESC, chosen.id DESC",
}

# A spreadsheet runs a cell that begins with = + - @ as a formula, also after a tab or in full
# width. Phone numbers and negative numbers begin so too, and do no harm. Text that looks guarded
# already is guarded once more, so that it can be told from text that was.
_RUNS = r"'*[=@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]"
_MAY_RUN = r"'*[+-]"
# The first characters that those begin with; most text is told apart by its first one alone.
_SUSPECTS = ", ".join(str(ord(character)) for character in "'=@\t\r\n\uff1d\uff0b\uff0d\uff20+-")
_HARMLESS = r"'*(\+[0-9][0-9 ()./-]*|-[0-9]+([.,][0-9]+)?)"

# Where spreadsheets separate cells by semicolons or tabs, a text may become several cells. A quoted
# cell does so too, unless its line begins with it: quotes within an unquoted cell are plain text.
_NEXT_CELL_RUNS = r"""([;\t])(?=[ "']*[=+@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20-])"""
_NEXT_CELL_GUARDED = _NEXT_CELL_RUNS.replace("(?=", "'(?=")

# ISO 8601 as everywhere in the API: microseconds only where there are any, UTC as Z.
_TIME = """replace(to_char({0}, 'YYYY-MM-DD"T"HH24:MI:SS.US{1}'), '.000000', '')"""

# Telling times is the most expensive part, and nearly everybody is confirmed at the moment of
# registering: that text is made once a row, in a subquery that OFFSET keeps from being merged into
# the query around it. The order within is what lets an index do the sorting.
_SELECT = """
    WITH chosen AS ({chosen}) SELECT {columns} FROM (
        SELECT *, {registered_text} AS registered_text FROM chosen ORDER BY {ordering} OFFSET 0
    ) AS chosen ORDER BY {ordering}
"""


_EXAMPLE = {
    "name": "Bob",
    "email": "bob@example.com",
    "status": "confirmed",
    "waitlist_position": None,
    "registered_at": "2026-11-21T08:00:00Z",
    "confirmed_at": "2026-11-21T08:00:00Z",
    "cancelled_at": None,
    "checked_in_at": None,
    "ticket_code": "MZXW6YTBOI2DKNRX",
    "registration_id": "5f0c7b1e-6a52-4d1c-9a3e-0d9c5a4e7f10",
    "event_id": 1,
    "event_name": "Global AI Summit",
}
_ROW_SCHEMA = {
    "type": "object",
    "required": list(_EXAMPLE),
    "properties": {
        **{name: {"type": "string"} for name in _EXAMPLE},
        **{
            column.name: {"type": ["string", "null"], "format": "date-time"}
            for column in COLUMNS
            if column.kind == "time"
        },
        "waitlist_position": {"type": ["integer", "null"]},
        "event_id": {"type": "integer"},
    },
}


def _example_line(quoted: Collection[str]) -> str:
    cells = {name: str(value or "") for name, value in _EXAMPLE.items()}
    return ",".join(f'"{cell}"' if name in quoted else cell for name, cell in cells.items())


@dataclass(frozen=True)
class Options:
    """What the caller may choose beside the format; `bom` and `raw` are for CSV."""

    ordering: str = "registered_at"
    bom: bool = False
    raw: bool = False


class Export(Protocol):
    """A file format: how its name ends, its media type, and its bytes in pieces.

    `schema` and `example` are for the OpenAPI document; a binary format has no example.
    """

    name: str
    media_type: str
    schema: dict[str, Any]
    example: Any

    def pieces(
        self, event: Event, rows: RegistrationQuerySet, zone: tzinfo, options: Options
    ) -> Generator[bytes]: ...


class CsvExport:
    """RFC 4180, written by PostgreSQL's COPY."""

    name = "csv"
    media_type = "text/csv; charset=utf-8"
    schema: dict[str, Any] = {"type": "string"}
    # Always quoted, since readers disagree about which separators ask for quotes.
    quoted = tuple(column.name for column in COLUMNS if column.kind in {"text", "event name"})
    example = "\r\n".join((",".join(_EXAMPLE), _example_line(quoted), ""))

    def pieces(
        self, event: Event, rows: RegistrationQuerySet, zone: tzinfo, options: Options
    ) -> Generator[bytes]:
        piece = bytearray("\ufeff".encode() if options.bom else b"")
        piece += ",".join(column.name for column in COLUMNS).encode() + b"\r\n"
        select, parameters = _select(event, rows, zone, options, guarded=not options.raw)
        quoted = ", ".join(self.quoted)
        command = f"COPY ({select}) TO STDOUT (FORMAT csv, FORCE_QUOTE ({quoted}))"
        with (
            _times_told_in(zone),
            connection.cursor() as cursor,
            cursor.copy(command, parameters) as copy,
        ):
            for line in copy:
                piece += line[:-1]
                piece += b"\r\n"  # COPY ends lines with LF, RFC 4180 with CRLF
                if len(piece) >= PIECE_BYTES:
                    yield bytes(piece)
                    piece.clear()
        yield bytes(piece)


class JsonExport:
    """One array of objects (RFC 8259)."""

    name = "json"
    media_type = "application/json"
    schema: dict[str, Any] = {"type": "array", "items": _ROW_SCHEMA}
    example = [_EXAMPLE]

    def pieces(
        self, event: Event, rows: RegistrationQuerySet, zone: tzinfo, options: Options
    ) -> Generator[bytes]:
        before = "["
        for batch in _json_batches(event, rows, zone, options):
            yield (before + ",\n".join(batch)).encode()
            before = ",\n"
        yield b"]\n" if before != "[" else b"[]\n"


class JsonLinesExport:
    """One object a line."""

    name = "jsonl"
    media_type = "application/jsonl"
    schema: dict[str, Any] = {"type": "string"}
    example = to_json(_EXAMPLE).decode() + "\n"

    def pieces(
        self, event: Event, rows: RegistrationQuerySet, zone: tzinfo, options: Options
    ) -> Generator[bytes]:
        for batch in _json_batches(event, rows, zone, options):
            yield ("\n".join(batch) + "\n").encode()
        yield b""


class XlsxExport:
    """Office Open XML. A workbook is a ZIP archive, complete only at its end: it is written to a
    temporary file and sent from there. Text cells cannot run as formulas."""

    name = "xlsx"
    media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    schema: dict[str, Any] = {"type": "string", "format": "binary"}
    example = None
    rows_of_a_sheet = 1_048_576

    def pieces(
        self, event: Event, rows: RegistrationQuerySet, zone: tzinfo, options: Options
    ) -> Generator[bytes]:
        select, parameters = _select(event, rows, zone, options)
        columns = [
            XmlColumn(column.name, column.kind == "number", column.kind in {"text", "event name"})
            for column in COLUMNS
        ]
        statement = rows_as_xml(select, columns, self.rows_of_a_sheet)
        batches = _texts(statement, parameters, zone)
        with TemporaryFile() as file:
            header = [column.name for column in COLUMNS]
            write_workbook(file, header, batches, self.rows_of_a_sheet)
            file.seek(0)
            while piece := file.read(PIECE_BYTES):
                yield piece


EXPORTS: dict[str, Export] = {
    export.name: export for export in (CsvExport(), XlsxExport(), JsonExport(), JsonLinesExport())
}


def _json_batches(
    event: Event, rows: RegistrationQuerySet, zone: tzinfo, options: Options
) -> Generator[list[str]]:
    """The rows as JSON objects, made by PostgreSQL."""
    select, parameters = _select(event, rows, zone, options)
    wrapped = f"SELECT row_to_json(exported)::text FROM ({select}) AS exported"  # noqa: S608  # nosec
    yield from _texts(wrapped, parameters, zone)


def _texts(select: str, parameters: dict[str, Any], zone: tzinfo) -> Generator[list[str]]:
    """What a statement of one column yields, from a cursor of the server: a batch at a time."""
    with _times_told_in(zone), connection.chunked_cursor() as cursor:
        cursor.execute(select, parameters)
        while batch := cursor.fetchmany(ROWS_OF_A_BATCH):
            yield [text for (text,) in batch]


@contextmanager
def _times_told_in(zone: tzinfo) -> Iterator[None]:
    """A transaction in which PostgreSQL tells times in a zone.

    The server's own zone database may lack a recent name: raises `InvalidTimezone`.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            try:
                cursor.execute("SELECT set_config('TimeZone', %s, true)", [str(zone)])
            except DataError as error:
                raise InvalidTimezone(
                    f"The database does not know the zone {zone}; choose another."
                ) from error
        yield
        with connection.cursor() as cursor:  # inside a longer transaction it would stay
            cursor.execute("SELECT set_config('TimeZone', 'UTC', true)")


def _select(
    event: Event,
    rows: RegistrationQuerySet,
    zone: tzinfo,
    options: Options,
    *,
    guarded: bool = False,
) -> tuple[str, dict[str, Any]]:
    """The statement that yields the columns in their order, and its parameters."""
    event_name = _guarded_text(event.name) if guarded else event.name
    parameters: dict[str, Any] = {"event_id": event.pk, "event_name": event_name}
    sql, values = rows.order_by().query.sql_with_params()
    names = [f"chosen_{number}" for number in range(len(values))]
    parameters |= dict(zip(names, values, strict=True))
    chosen = sql % tuple(f"%({name})s" for name in names)
    columns = ", ".join(
        f"{_rendered(column, zone, guarded=guarded)} AS {column.name}" for column in COLUMNS
    )
    statement = _SELECT.format(
        chosen=chosen,
        columns=columns,
        registered_text=_time_told("chosen.registered_at", zone),
        ordering=ORDERINGS[options.ordering],
    )
    return statement, parameters


def _rendered(column: Column, zone: tzinfo, *, guarded: bool) -> str:
    if column.name == "registered_at":
        return "chosen.registered_text"
    if column.kind == "time":
        told = _time_told(column.sql, zone)
        return (
            f"CASE WHEN {column.sql} = chosen.registered_at THEN chosen.registered_text"
            f" ELSE {told} END"
        )
    if column.kind == "text" and guarded:
        return _guarded(column.sql)
    return column.sql


def _time_told(sql: str, zone: tzinfo) -> str:
    return _TIME.format(sql, '"Z"' if zone is UTC else "TZH:TZM")


def _guarded(sql: str) -> str:
    """`sql`, with an apostrophe before what a spreadsheet would run in any cell made of it."""

    def is_like(pattern: str) -> str:
        quoted = pattern.replace("'", "''")
        return f"{sql} ~ '^{quoted}'"

    suspect = f"ascii({sql}) IN ({_SUSPECTS})"
    harmless = is_like(f"{_HARMLESS}$")
    runs = f"{suspect} AND ({is_like(_RUNS)} OR ({is_like(_MAY_RUN)} AND NOT {harmless}))"
    pattern = _NEXT_CELL_RUNS.replace("'", "''")
    split = f"strpos({sql}, ';') > 0 OR strpos({sql}, chr(9)) > 0"
    cells = f"regexp_replace({sql}, '{pattern}', '\\1''', 'g')"
    inner = f"CASE WHEN {split} THEN {cells} ELSE {sql} END"
    return f"CASE WHEN {runs} THEN '''' || {inner} ELSE {inner} END"


def _guarded_text(text: str) -> str:
    """`_guarded` in Python."""
    inner = re.sub(_NEXT_CELL_RUNS, r"\1'", text)
    return f"'{inner}" if _is_guarded(text) else inner


def unguarded(cell: str) -> str:
    """The text that a cell of our CSV was made of."""
    text = re.sub(_NEXT_CELL_GUARDED, r"\1", cell)
    return text[1:] if text.startswith("'") and _is_guarded(text[1:]) else text


def _is_guarded(text: str) -> bool:
    """Whether the CSV guards the beginning of this text."""
    if re.match(_RUNS, text):
        return True
    return bool(re.match(_MAY_RUN, text)) and not re.fullmatch(_HARMLESS, text)
