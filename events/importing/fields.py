"""Validates the cells of a row, by the rules of the API."""

import re
from types import SimpleNamespace
from typing import Any

from django.http import QueryDict

from accounts.models import User
from config.api.fields import LineField
from config.api.files.csv_rows import RowError
from config.api.http.strict_bodies import validate_body
from config.errors import FieldError, ValidationFailed

from ..serializers.event_input import EventCreateIn

_REASONS: dict[tuple[str | None, str], str] = {
    ("status", "invalid_choice"): "Write published or draft.",
    ("attendee_list", "invalid_choice"): "Write hidden or names.",
    ("visibility", "invalid_choice"): "Write public or unlisted.",
    ("waitlist_enabled", "invalid"): "Write true or false.",
}


class EventRowIn(EventCreateIn):
    """A row as form data. Its category need not exist."""

    category = LineField(max_length=100, required=False)  # type: ignore[assignment]
    url = LineField(max_length=2000, required=False)


FIELDS = tuple(EventRowIn().fields)
MAX_DESCRIPTION: int = EventRowIn().fields["description"].max_length  # type: ignore[attr-defined]


class RowReader:
    """Validates the rows of one organizer, whose zone applies to times without one."""

    def __init__(self, organizer: User) -> None:
        context = {"request": SimpleNamespace(user=organizer)}
        self._row_in = EventRowIn(data=QueryDict(), context=context)

    def values(self, line: int, cells: dict[str, str]) -> dict[str, Any] | list[RowError]:
        """The values of the cells, without the empty ones, or all errors."""
        form = QueryDict(mutable=True)
        for name, cell in cells.items():
            if text := cell.strip():
                is_list = name == "reminder_hours"
                form.setlist(name, re.split(r"[,;\s]+", text) if is_list else [text])
        try:
            return dict(validate_body(self._row_in, form, ignores_unknown=True))
        except ValidationFailed as refusal:
            return [_row_error(line, error, cells) for error in refusal.field_errors]


def _row_error(line: int, error: FieldError, cells: dict[str, str]) -> RowError:
    reason = _REASONS.get((error.field, error.code), error.detail)
    if error.code == "required" and error.field in cells:
        reason = "The cell is empty."
    return RowError(line, error.field, reason, error.code)
