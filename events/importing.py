"""Events from files. A reader per format makes rows of a file, `import_rows` events of rows."""

import csv
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import TextIOWrapper
from itertools import islice
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.http import QueryDict
from django.utils.text import slugify
from rest_framework.exceptions import ErrorDetail, ValidationError

from accounts.models import User
from config.api.fields import LineField
from config.errors import ValidationFailed

from .models import Category, Event
from .serializers import EventCreateIn
from .services.editing import DEFAULT_LENGTH, check_times
from .zones import NonexistentTime, instant

BATCH_SIZE = 500

# The rules of a cell are those of the API. To its fields a row is a form: text only.
_FIELDS = EventCreateIn(data=QueryDict()).fields
_CELLS: dict[str, Any] = {
    "name": _FIELDS["name"],
    "description": _FIELDS["description"],
    "location": _FIELDS["location"],
    "start_time": _FIELDS["start_time"],
    "end_time": _FIELDS["end_time"],
    "timezone": _FIELDS["timezone"],
    "category": LineField(max_length=100),
    "url": LineField(max_length=2000),
    "status": _FIELDS["status"],
    "max_capacity": _FIELDS["max_capacity"],
    "waitlist_enabled": _FIELDS["waitlist_enabled"],
    "registration_opens_at": _FIELDS["registration_opens_at"],
    "registration_closes_at": _FIELDS["registration_closes_at"],
    "meeting_url": _FIELDS["meeting_url"],
}
COLUMNS = tuple(_CELLS)
REQUIRED_COLUMNS = ("name", "location", "start_time")
_TIMES = ("start_time", "end_time", "registration_opens_at", "registration_closes_at")
_REASONS = {
    ("status", "invalid_choice"): "Write published or draft.",
    ("waitlist_enabled", "invalid"): "Write true or false.",
}

# What surrogateescape makes of bytes that are not UTF-8.
_UNDECODED = re.compile("[\udc80-\udcff]")

# Names that are not just their slug with a capital letter.
_SPELLINGS = {
    "api": "API",
    "cfml": "CFML",
    "cpp": "C++",
    "css": "CSS",
    "devops": "DevOps",
    "dotnet": ".NET",
    "graphql": "GraphQL",
    "ios": "iOS",
    "iot": "IoT",
    "javascript": "JavaScript",
    "opensource": "Open source",
    "php": "PHP",
    "sre": "SRE",
    "typescript": "TypeScript",
    "ux": "UX",
}


@dataclass(frozen=True, slots=True)
class Row:
    """Text by column. `identity` names the row in its source, as a UID does in a calendar.

    Without an identity the row is what its name, start, location, category and url say.
    """

    line: int
    cells: dict[str, str]
    identity: str = ""


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong with a row; `column` is None when it is not about one cell."""

    line: int
    column: str | None
    reason: str

    def __str__(self) -> str:
        place = f"line {self.line}, {self.column}" if self.column else f"line {self.line}"
        return f"{place}: {self.reason}"


@dataclass
class Report:
    """How many rows became events, were events before, or are bad; `saved` if that was kept."""

    created: int = 0
    already_there: int = 0
    bad: int = 0
    errors: list[RowError] = field(default_factory=list)
    new_categories: list[str] = field(default_factory=list)
    saved: bool = False


class ImportRefused(Exception):
    """Nothing was imported; the message says why and what to do."""


def import_key(*parts: str) -> str:
    """A digest that does not mind case, spaces at the ends, or how accents are encoded."""
    folded = (unicodedata.normalize("NFC", part).strip().casefold() for part in parts)
    return hashlib.sha256("\x1f".join(folded).encode()).hexdigest()


# --- Reading ------------------------------------------------------------------------------------


def read_csv(file: BinaryIO) -> Iterator[Row | RowError]:
    """The rows of a CSV file (RFC 4180, UTF-8) whose first line names the columns.

    A row is told by the line that it begins in. Raises `ImportRefused`.
    """
    # Strict: what a stray quote would swallow is an error, not a long cell.
    reader = csv.reader(_lines(file), strict=True)
    columns: list[str] | None = None
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            if columns is None or "field limit" in str(error):
                raise ImportRefused(_unreadable_from(line)) from error
            yield RowError(line, None, _misquoted(line, reader.line_num))
            continue
        if not any(cell.strip() for cell in cells):
            continue  # spreadsheets leave lines of commas behind
        if columns is None:
            columns = _columns(cells)
        elif len(cells) == len(columns):
            yield Row(line, dict(zip(columns, cells, strict=True)))
        else:
            yield RowError(
                line,
                None,
                f"The row has {len(cells)} cells, the first line names {len(columns)} columns. "
                "Look for a comma too many, one too few, or a missing quote.",
            )
    if columns is None:
        raise ImportRefused(
            f"The file is empty. Its first line must name the columns: {', '.join(COLUMNS)}."
        )


def _lines(file: BinaryIO) -> Iterator[str]:
    """Lines with their endings; a byte order mark is skipped. The file stays open."""
    text = TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    try:
        for number, line in enumerate(text, start=1):
            if not line.isascii() and _UNDECODED.search(line):
                raise ImportRefused(
                    f"Line {number} is not UTF-8. Save the file in that encoding, "
                    'in a spreadsheet as "CSV UTF-8".'
                )
            yield line
    finally:
        if not text.closed:
            text.detach()


def _columns(cells: list[str]) -> list[str]:
    names = [cell.strip().lower() for cell in cells]
    unknown = [name for name in names if name not in COLUMNS]
    repeated = sorted({name for name in names if names.count(name) > 1})
    missing = [name for name in REQUIRED_COLUMNS if name not in names]
    if unknown:
        shown = ", ".join(repr(name[:40]) for name in unknown[:10])
        hint = (
            "Separate the cells by commas."
            if len(names) == 1
            else f"The first line must name the columns; known are {', '.join(COLUMNS)}."
        )
        raise ImportRefused(f"Unknown columns: {shown}. {hint}")
    if repeated:
        raise ImportRefused(f"Columns that occur twice: {', '.join(repeated)}. Remove one each.")
    if missing:
        raise ImportRefused(
            f"Missing columns: {', '.join(missing)}. The first line must name these."
        )
    return names


def _unreadable_from(line: int) -> str:
    return (
        f"From line {line} on the file cannot be read as CSV, "
        "most likely since a quote that opens there is not closed."
    )


def _misquoted(first: int, last: int) -> str:
    lines = "" if last <= first else f" The row was read up to line {last}."
    return f'A quote is not closed, or one inside a cell is not written as "".{lines}'


# --- Importing ----------------------------------------------------------------------------------


@transaction.atomic
def import_rows(
    rows: Iterable[Row | RowError],
    organizer: User,
    *,
    dry_run: bool = False,
    skip_errors: bool = False,
) -> Report:
    """Make events of rows, past ones too. What was imported before stays as it is by now.

    One bad row and nothing is kept, unless `skip_errors`. A dry run does it all and takes it back.
    Raises `ImportRefused`, also on behalf of a reader.
    """
    _keep_other_imports_out(organizer)
    report = Report()
    drafts = _drafts(rows, organizer, report)
    categories = dict(Category.objects.values_list("slug", "pk"))
    while batch := list(islice(drafts, BATCH_SIZE)):
        _insert(batch, organizer, categories, report)
    report.saved = not dry_run and (skip_errors or not report.bad)
    if not report.saved:
        transaction.set_rollback(True)
    return report


def _keep_other_imports_out(organizer: User) -> None:
    """Until the transaction ends, so that what is already there is told apart for certain."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(hashtext('events.importing'), %s)",
            [organizer.pk % 2**31],
        )
        if cursor.fetchone() != (True,):
            raise ImportRefused(
                f"Another import for {organizer.email} is running; wait until it has ended."
            )


@dataclass(frozen=True, slots=True)
class _Draft:
    """An event to be, and its category in the words of the row."""

    event: Event
    category: str


def _drafts(rows: Iterable[Row | RowError], organizer: User, report: Report) -> Iterator[_Draft]:
    """What the good rows say; the bad ones go to the report."""
    for row in rows:
        made = [row] if isinstance(row, RowError) else _draft(row, organizer)
        if isinstance(made, _Draft):
            yield made
        else:
            report.bad += 1
            report.errors += made


def _draft(row: Row, organizer: User) -> _Draft | list[RowError]:
    """What a row says, or all that is wrong with it."""
    values: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for column, field_of_column in _CELLS.items():
        cell = row.cells.get(column, "").strip()
        if cell:
            try:
                values[column] = field_of_column.run_validation(cell)
            except ValidationError as error:
                faults[column] = _reason(column, error)
        elif column in REQUIRED_COLUMNS:
            faults[column] = "The cell is empty."

    category = values.pop("category", "")
    slug = slugify(category)
    if category and not 1 <= len(slug) <= 50:
        faults["category"] = "Use a name that has 1 to 50 letters a to z or digits."
    url = values.pop("url", "")
    if url and url not in values.get("description", ""):
        values["description"] = f"{values.get('description', '')}\n\n{url}".strip()
        if len(values["description"]) > _CELLS["description"].max_length:
            faults["url"] = "The description becomes too long with it."
    values.setdefault("timezone", organizer.timezone)
    if "timezone" not in faults:
        faults |= _to_instants(values)
    if not faults:
        values.setdefault("end_time", values["start_time"] + DEFAULT_LENGTH)
        event = Event(organizer=organizer, **values)
        faults |= _time_faults(event)
    if faults:
        return [RowError(row.line, name, faults[name]) for name in COLUMNS if name in faults]

    event.import_key = import_key(
        *([row.identity] if row.identity else _identity(event, category=slug, url=url))
    )
    return _Draft(event, category)


def _reason(column: str, error: ValidationError) -> str:
    detail: ErrorDetail = error.detail[0]  # type: ignore[index,assignment]
    return _REASONS.get((column, str(detail.code)), str(detail))


def _to_instants(values: dict[str, Any]) -> dict[str, str]:
    """Turn wall-clock times into instants; returns what is wrong, by column."""
    zone = ZoneInfo(values["timezone"])
    faults = {}
    for column in _TIMES:
        if column in values:
            try:
                values[column] = instant(values[column], zone)
            except NonexistentTime:
                faults[column] = f"The clocks in {zone} skip this time."
    return faults


def _time_faults(event: Event) -> dict[str, str]:
    try:
        check_times(event, set(), event.created_at)
    except ValidationFailed as error:
        return {fault["field"]: fault["detail"] for fault in error.facts["errors"]}
    return {}


def _identity(event: Event, *, category: str, url: str) -> tuple[str, ...]:
    """What makes two rows the same one.

    Sources list a conference once per topic, and now and then twice with different addresses:
    each of these is a row of its own. A row whose other cells were corrected since is not.
    """
    return event.name, event.start_time.isoformat(), event.location, category, url


def _insert(
    batch: list[_Draft], organizer: User, categories: dict[str, int], report: Report
) -> None:
    """Save those that are new. `categories` are the known ones by slug, and grows."""
    new: dict[str, _Draft] = {}
    for draft in batch:
        new.setdefault(str(draft.event.import_key), draft)
    for key in Event.objects.filter(organizer=organizer, import_key__in=new).values_list(
        "import_key", flat=True
    ):
        del new[str(key)]
    for draft in new.values():
        if draft.category:
            draft.event.category_id = _category_id(draft.category, categories, report)
    Event.objects.bulk_create([draft.event for draft in new.values()])
    report.created += len(new)
    report.already_there += len(batch) - len(new)


def _category_id(text: str, known: dict[str, int], report: Report) -> int:
    slug = slugify(text)
    if slug not in known:
        category, is_new = Category.objects.get_or_create(
            slug=slug, defaults={"name": _category_name(text)}
        )
        known[slug] = category.pk
        if is_new:
            report.new_categories.append(slug)
    return known[slug]


def _category_name(text: str) -> str:
    """`text`, when somebody wrote it with capitals; else as a name is written: `Tech comm`."""
    if text != text.lower():
        return text
    return _SPELLINGS.get(text) or text[0].upper() + re.sub(r"[-_]+", " ", text[1:])
