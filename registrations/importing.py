"""Attendee lists in files: reads and validates the rows of an import."""

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass
from functools import cache
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from config.api.fields import EmailAddressField, LineField, TextField, WholeNumberField
from config.api.files.csv_rows import ImportRefused, RowError
from config.api.files.tables import Columns, Table, column_key, read_table
from config.api.files.uploads import file_error
from config.api.http.exception_handler import to_domain_error
from config.api.http.strict_bodies import unknown_inside
from config.errors import FieldError, ValidationFailed
from events.models import MAX_PARTY_SIZE

from .exports.columns import ANSWER_PREFIX
from .exports.formula_guard import unguarded_text
from .forms.cells import answer_in_cell
from .forms.questions import NO_QUESTIONS, Questions
from .models import Registration
from .serializers.registering import check_guests, guests_field, guests_in_text
from .services.bulk import Candidate, InvalidRow

MAX_ROWS = 10_000

_HEADERS = {
    "name": ("name", "full name", "your name", "attendee name"),
    "first_name": ("first name", "given name"),
    "last_name": ("last name", "surname", "family name"),
    "email": ("email", "e-mail", "email address", "e-mail address", "mail"),
    "party_size": ("party_size", "party size", "seats", "number of people", "tickets"),
    "guests": ("guests",),  # JSON, as in exports
    # Exports have it. Its value is validated, and does not check people in.
    "admitted_count": ("admitted_count", "admitted count"),
    "status": ("status", "rsvp", "approval_status"),
}
COLUMNS = Columns(
    {column_key(header): column for column, headers in _HEADERS.items() for header in headers},
    required=(("name", "first_name", "last_name"), ("email",)),
)

_OPTIONAL = ("status", "party_size", "admitted_count")
_NUMBER = re.compile(r"-?[0-9]+")
_MAX_DIGITS = 9  # enough to be out of every range


# The statuses that exports of other products use.
_ATTENDING = ("confirmed", "attending", "going", "yes", "approved", "accepted")
_WAITLISTED = ("waitlisted", "waiting", "waitlist")
_CANCELLED = ("cancelled", "canceled", "declined", "no", "not_going", "not_attending")


@dataclass(frozen=True, slots=True)
class AttendeeFile:
    """The rows in their order, and what is said about the columns as a whole."""

    rows: list[Candidate | InvalidRow]
    ignored_columns: list[str]  # their headers


class _StatusField(TextField):
    """`confirmed` for people who attend or are waitlisted, `cancelled` for others."""

    default_error_messages = {
        "invalid_choice": "Write confirmed, attending, going or yes; waitlisted or waiting; "
        "or cancelled, declined or no."
    }

    def to_internal_value(self, data: Any) -> str:
        status = column_key(super().to_internal_value(data))
        if status in _CANCELLED:
            return "cancelled"
        if status not in {*_ATTENDING, *_WAITLISTED}:
            self.fail("invalid_choice")
        return "confirmed"


class _CellNumberField(WholeNumberField):
    """A whole number in a cell."""

    def to_internal_value(self, data: Any) -> int:
        is_number = isinstance(data, str) and _NUMBER.fullmatch(data)
        return super().to_internal_value(int(data[:_MAX_DIGITS]) if is_number else data)


class _RowIn(serializers.Serializer[Registration]):
    """The rules for cells, which are those of registering."""

    name = LineField(max_length=200)
    email = EmailAddressField()
    status = _StatusField(default="confirmed")
    party_size = _CellNumberField(min_value=1, max_value=MAX_PARTY_SIZE, default=1)
    guests: Any = guests_field(default=list)
    admitted_count = _CellNumberField(min_value=0, default=0)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        size = attrs["party_size"]
        check_guests(attrs["guests"], size)
        if attrs["admitted_count"] > size:
            above = f"The party has {size} {'person' if size == 1 else 'people'}."
            raise ValidationError({"admitted_count": [above]}, code="max_value")
        return attrs


def read_attendees(
    content: bytes, charset: str | None = None, *, questions: Questions = NO_QUESTIONS
) -> AttendeeFile:
    """Reads a CSV file or a spreadsheet, with a column `answers.<key>` for each active question.

    Raises `ValidationFailed` if the file as a whole is not a list of attendees.
    """
    rows: list[Candidate | InvalidRow] = []
    try:
        table = read_table(content, _columns(questions), charset=charset)
        for row in _read(table, questions):
            if len(rows) == MAX_ROWS:
                raise ImportRefused(f"Send at most {MAX_ROWS:,} rows at once.", "max_length")
            rows.append(row)
        if not rows:
            raise ImportRefused("The file has no rows.", "min_length")
    except ImportRefused as refusal:
        raise file_error(refusal) from refusal
    return AttendeeFile(rows, table.ignored_columns)


def _columns(questions: Questions) -> Columns:
    answers = {
        column_key(f"{ANSWER_PREFIX}{question.key}"): f"{ANSWER_PREFIX}{question.key}"
        for question in questions.active
    }
    return Columns({**COLUMNS.names, **answers}, COLUMNS.required) if answers else COLUMNS


def _read(table: Table, questions: Questions) -> Iterator[Candidate | InvalidRow]:
    ignored = {column_key(header) for header in table.ignored_columns}
    for row in table.rows:
        if isinstance(row, RowError):
            yield InvalidRow(row.line, "", (FieldError(f"line.{row.line}", row.code, row.reason),))
            continue
        cells = {name: text.strip() for name, text in row.cells.items()}
        if not table.is_spreadsheet:  # only our CSV has guarded cells
            cells = {name: unguarded_text(text) for name, text in cells.items()}
        name_column = _name_column(cells)
        data: dict[str, Any] = {"name": _name(cells), "email": cells["email"]}
        data |= {name: cells[name] for name in _OPTIONAL if cells.get(name)}
        if cells.get("guests"):
            data["guests"] = _guests(cells["guests"], ignored)
            path = f"line.{row.line}.guests"
            unknown = unknown_inside(_row_in().fields["guests"], path, data["guests"])
            if unknown:
                yield InvalidRow(row.line, cells["email"][:254], tuple(unknown))
                continue
        try:
            values = _row_in().run_validation(data)
        except ValidationError as error:
            errors = tuple(_errors(row.line, error, name_column))
            yield InvalidRow(row.line, cells["email"][:254], errors)
        else:
            yield Candidate(
                row.line,
                values["name"],
                values["email"],
                values["status"] == "cancelled",
                values["party_size"],
                guests=values["guests"],
                answers=_answers(cells, questions),
            )


def _name_column(cells: dict[str, str]) -> str:
    """The column to which an error in the name is attributed."""
    present = [column for column in ("name", "first_name", "last_name") if column in cells]
    return next((column for column in present if cells[column]), present[0])


def _name(cells: dict[str, str]) -> str:
    parts = (cells.get("first_name", ""), cells.get("last_name", ""))
    return cells.get("name") or " ".join(part for part in parts if part)


def _guests(text: str, ignored: Set[str]) -> Any:
    """The guests in a cell. Of columns that are ignored, the answers of guests are dropped too."""
    guests = guests_in_text(text)
    for guest in guests if isinstance(guests, list) else ():
        answers = guest.get("answers") if isinstance(guest, dict) else None
        if isinstance(answers, dict):
            guest["answers"] = {
                key: answer
                for key, answer in answers.items()
                if column_key(f"{ANSWER_PREFIX}{key}") not in ignored
            }
    return guests


def _answers(cells: dict[str, str], questions: Questions) -> dict[str, Any]:
    """The answers in the cells, as a client would send them. Empty cells are none."""
    return {
        key: answer_in_cell(question, text)
        for key, question in questions.by_key.items()
        if (text := cells.get(f"{ANSWER_PREFIX}{key}"))
    }


@cache
def _row_in() -> _RowIn:
    """Cached, since building its fields takes longer than validating a row."""
    return _RowIn()


def _errors(line: int, error: ValidationError, name_column: str) -> Iterator[FieldError]:
    refusal = to_domain_error(error)
    assert isinstance(refusal, ValidationFailed)  # noqa: S101  # the result for a ValidationError
    for fact in refusal.facts["errors"]:
        column = name_column if fact["field"] == "name" else fact["field"]
        yield FieldError(f"line.{line}.{column}", fact["code"], fact["detail"])
