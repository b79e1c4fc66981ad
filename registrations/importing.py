"""Attendees from CSV files: what the rows say, before anybody is registered."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, BinaryIO

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from config.api.csv_rows import ImportRefused, RowError, read_csv
from config.api.errors import to_domain_error
from config.api.fields import ChoiceField, EmailAddressField, LineField
from config.errors import FieldError, ValidationFailed

from .exports import unguarded
from .models import Registration

MAX_ROWS = 10_000
COLUMNS = ("name", "email", "status")
REQUIRED_COLUMNS = ("name", "email")


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who is to have a place; `is_cancelled` when the file says that they gave it back."""

    line: int
    name: str
    email: str
    is_cancelled: bool = False


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that names nobody. `email` is what its cell says, as far as it can be told."""

    line: int
    email: str
    errors: tuple[FieldError, ...]


@dataclass(frozen=True, slots=True)
class AttendeeFile:
    """The rows in their order, and the names of the columns that say nothing here."""

    rows: list[Candidate | BadRow]
    ignored_columns: list[str]


class _RowIn(serializers.Serializer[Registration]):
    """The rules of a cell are those of registering. An empty status is one of those who come."""

    name = LineField(max_length=200)
    email = EmailAddressField()
    status = ChoiceField(
        choices=Registration.Status.choices, default=Registration.Status.CONFIRMED.value
    )


def read_attendees(file: BinaryIO) -> AttendeeFile:
    """Raises `ValidationFailed` when the file as a whole is no list of attendees."""
    ignored: list[str] = []
    rows: list[Candidate | BadRow] = []
    try:
        for row in _read(file, ignored):
            if len(rows) == MAX_ROWS:
                raise ValidationFailed(
                    FieldError("file", "max_length", f"Send at most {MAX_ROWS:,} rows at once.")
                )
            rows.append(row)
    except ImportRefused as refusal:
        raise ValidationFailed(FieldError("file", "invalid", str(refusal))) from refusal
    if not rows:
        raise ValidationFailed(FieldError("file", "min_length", "The file has no rows."))
    return AttendeeFile(rows, ignored)


def _read(file: BinaryIO, ignored: list[str]) -> Iterator[Candidate | BadRow]:
    for row in read_csv(file, known=COLUMNS, required=REQUIRED_COLUMNS, ignored=ignored):
        if isinstance(row, RowError):
            yield BadRow(row.line, "", (FieldError(f"line.{row.line}", "invalid", row.reason),))
            continue
        cells = {name: unguarded(row.cells[name].strip()) for name in COLUMNS if name in row.cells}
        if not cells.get("status"):
            cells.pop("status", None)
        try:
            values = _row_in().run_validation(cells)
        except ValidationError as error:
            yield BadRow(row.line, cells["email"][:254], tuple(_errors(row.line, error)))
        else:
            is_cancelled = values["status"] == Registration.Status.CANCELLED
            yield Candidate(row.line, values["name"], values["email"], is_cancelled)


@cache
def _row_in() -> _RowIn:
    """Made once: to build its fields takes longer than to check a row."""
    return _RowIn()


def _errors(line: int, error: ValidationError) -> Iterator[FieldError]:
    refusal: Any = to_domain_error(error)
    for fact in refusal.facts["errors"]:
        yield FieldError(f"line.{line}.{fact['field']}", fact["code"], fact["detail"])
