"""Input fields of the recurrence of a series: its rule and its exclusions."""

from datetime import date, datetime
from typing import Any, ClassVar

from rest_framework.exceptions import ErrorDetail, ValidationError

from config.api.fields import DAY_OR_MOMENT, ListField, TextField

from ..recurrence import (
    FREQUENCIES,
    MAX_OCCURRENCES,
    MAX_TEXT,
    InvalidRecurrence,
    Recurrence,
    parse_moment,
    parse_recurrence,
)

RULE_EXAMPLE = "FREQ=WEEKLY;BYDAY=MO;COUNT=10"


class _ParsedField(TextField):
    """A text whose value is what it is parsed to."""

    def run_validators(self, value: Any) -> None:
        """Does nothing: validators are for texts, and parsing checks the same."""


class RecurrenceField(_ParsedField):
    """An RRULE. Lines of EXDATE may follow it. The value is a `Recurrence`, in no zone."""

    schema_extra: ClassVar[dict[str, Any]] = {
        "pattern": f"^[^\\x00]*FREQ=({'|'.join(FREQUENCIES)})[^\\x00]*$",
        "examples": [RULE_EXAMPLE],
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_TEXT, **kwargs)

    def to_internal_value(self, data: Any) -> Recurrence:  # type: ignore[override]
        text = super().to_internal_value(data)
        if len(text) > MAX_TEXT:
            self.fail("max_length", max_length=MAX_TEXT)
        try:
            return parse_recurrence(text)
        except InvalidRecurrence as error:
            detail = str(error) if "=" in text else _explain_rule(text)
            raise ValidationError([ErrorDetail(detail, "invalid_recurrence")]) from error


_FREQUENCY_BY_WORD = {
    **dict.fromkeys(("daily", "day", "days"), "DAILY"),
    **dict.fromkeys(("weekly", "week", "weeks"), "WEEKLY"),
    **dict.fromkeys(("monthly", "month", "months"), "MONTHLY"),
    **dict.fromkeys(("yearly", "annually", "annual", "year", "years"), "YEARLY"),
}


def _explain_rule(text: str) -> str:
    """An error text for a rule that is written in words."""
    words = text.lower().split()
    frequencies = [_FREQUENCY_BY_WORD[word] for word in words if word in _FREQUENCY_BY_WORD]
    if frequencies:
        return f"Did you mean FREQ={frequencies[0]};COUNT=10? Send a rule of RFC 5545."
    return f"Send a rule of RFC 5545, such as {RULE_EXAMPLE}."


class ExcludedField(_ParsedField):
    """A day or a time without an occurrence. A time without an offset is naive."""

    schema_extra: ClassVar[dict[str, Any]] = DAY_OR_MOMENT

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=40, **kwargs)

    def to_internal_value(self, data: Any) -> date | datetime:  # type: ignore[override]
        text = super().to_internal_value(data)
        try:
            return parse_moment(text)
        except InvalidRecurrence as error:
            raise ValidationError([ErrorDetail(str(error), "invalid")]) from error


class ExcludedListField(ListField):
    child = ExcludedField()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_OCCURRENCES, **kwargs)
