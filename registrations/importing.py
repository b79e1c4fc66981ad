"""Attendees from files: what the rows contain, before anybody is registered."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from config.api.fields import EmailAddressField, LineField, TextField
from config.api.files.csv_rows import ImportRefused, RowError
from config.api.files.tables import Columns, Table, column_key, read_table
from config.api.files.uploads import file_error
from config.api.http.exception_handler import to_domain_error
from config.errors import FieldError, ValidationFailed

from .exports.attendees import unguarded
from .models import Registration

MAX_ROWS = 10_000

_HEADERS = {
    "name": ("name", "full name", "your name", "attendee name"),
    "first_name": ("first name", "given name"),
    "last_name": ("last name", "surname", "family name"),
    "email": ("email", "e-mail", "email address", "e-mail address", "mail"),
    "status": ("status", "rsvp", "approval_status"),
}
COLUMNS = Columns(
    {column_key(header): column for column, headers in _HEADERS.items() for header in headers},
    required=(("name", "first_name", "last_name"), ("email",)),
)

# What lists of other products call the people who come, who hope for a seat, and who do not come.
_COMING = ("confirmed", "attending", "going", "yes", "approved", "accepted")
_WAITING = ("waitlisted", "waiting", "waitlist")
_NOT_COMING = ("cancelled", "canceled", "declined", "no", "not_going", "not_attending")


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who is to have a place; `is_cancelled` when the file says that they do not come."""

    line: int
    name: str
    email: str
    is_cancelled: bool = False


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that names nobody. `email` is the text of its cell."""

    line: int
    email: str
    errors: tuple[FieldError, ...]


@dataclass(frozen=True, slots=True)
class AttendeeFile:
    """The rows in their order, and the headers of the columns that are not read."""

    rows: list[Candidate | BadRow]
    ignored_columns: list[str]


class _StatusField(TextField):
    """`confirmed` for whoever comes or hopes for a seat, `cancelled` for who does not."""

    default_error_messages = {
        "invalid_choice": "Write confirmed, attending, going or yes; waitlisted or waiting; "
        "or cancelled, declined or no."
    }

    def to_internal_value(self, data: Any) -> str:
        status = column_key(super().to_internal_value(data))
        if status in _NOT_COMING:
            return "cancelled"
        if status not in {*_COMING, *_WAITING}:
            self.fail("invalid_choice")
        return "confirmed"


class _RowIn(serializers.Serializer[Registration]):
    """The rules of a cell are those of registering."""

    name = LineField(max_length=200)
    email = EmailAddressField()
    status = _StatusField(default="confirmed")


def read_attendees(content: bytes, charset: str | None = None) -> AttendeeFile:
    """The rows of a CSV file or a spreadsheet.

    Raises `ValidationFailed` when the file as a whole is no list of attendees.
    """
    rows: list[Candidate | BadRow] = []
    try:
        table = read_table(content, COLUMNS, charset=charset)
        for row in _read(table):
            if len(rows) == MAX_ROWS:
                raise ImportRefused(f"Send at most {MAX_ROWS:,} rows at once.", "max_length")
            rows.append(row)
        if not rows:
            raise ImportRefused("The file has no rows.", "min_length")
    except ImportRefused as refusal:
        raise file_error(refusal) from refusal
    return AttendeeFile(rows, table.ignored_columns)


def _read(table: Table) -> Iterator[Candidate | BadRow]:
    for row in table.rows:
        if isinstance(row, RowError):
            yield BadRow(row.line, "", (FieldError(f"line.{row.line}", row.code, row.reason),))
            continue
        cells = {name: text.strip() for name, text in row.cells.items()}
        if not table.is_spreadsheet:  # only our CSV guards its cells
            cells = {name: unguarded(text) for name, text in cells.items()}
        name_column = _name_column(cells)
        given = {"name": _name(cells), "email": cells["email"]}
        if cells.get("status"):
            given["status"] = cells["status"]
        try:
            values = _row_in().run_validation(given)
        except ValidationError as error:
            errors = tuple(_errors(row.line, error, name_column))
            yield BadRow(row.line, cells["email"][:254], errors)
        else:
            yield Candidate(
                row.line, values["name"], values["email"], values["status"] == "cancelled"
            )


def _name_column(cells: dict[str, str]) -> str:
    """The column that a fault of the name belongs to."""
    given = [column for column in ("name", "first_name", "last_name") if column in cells]
    return next((column for column in given if cells[column]), given[0])


def _name(cells: dict[str, str]) -> str:
    parts = (cells.get("first_name", ""), cells.get("last_name", ""))
    return cells.get("name") or " ".join(part for part in parts if part)


@cache
def _row_in() -> _RowIn:
    """Made once: to build its fields takes longer than to check a row."""
    return _RowIn()


def _errors(line: int, error: ValidationError, name_column: str) -> Iterator[FieldError]:
    refusal = to_domain_error(error)
    assert isinstance(refusal, ValidationFailed)  # noqa: S101  # what a ValidationError becomes
    for fact in refusal.facts["errors"]:
        column = name_column if fact["field"] == "name" else fact["field"]
        yield FieldError(f"line.{line}.{column}", fact["code"], fact["detail"])
