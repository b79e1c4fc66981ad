"""Suggestions of a day for a text that is not one."""

import re
from datetime import date, timedelta

from django.utils import timezone

_OFFSETS_BY_NAME = {"yesterday": -1, "today": 0, "now": 0, "tomorrow": 1}
_FORMS = (
    re.compile(r"(?P<year>[0-9]{4})[-/.](?P<month>[0-9]{1,2})[-/.](?P<day>[0-9]{1,2})([t ].*)?"),
    re.compile(r"(?P<year>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})"),
    re.compile(r"(?P<day>[0-9]{1,2})\.\s?(?P<month>[0-9]{1,2})\.\s?(?P<year>[0-9]{4})"),
)


def explain_day(text: object) -> str:
    """The error text for a value that is not a day, with a suggestion where it is unambiguous.

    `03/04/2027` is ambiguous, since either number may be the month.
    """
    suggestion = _suggested_day(text.strip().lower()) if isinstance(text, str) else None
    return f"Did you mean {suggestion}? Send a day as YYYY-MM-DD." if suggestion else EXPLANATION


EXPLANATION = "Send a day as YYYY-MM-DD, such as 2027-03-15."


def _suggested_day(text: str) -> date | None:
    if text in _OFFSETS_BY_NAME:
        return timezone.localdate() + timedelta(days=_OFFSETS_BY_NAME[text])
    for form in _FORMS:
        if match := form.fullmatch(text):
            try:
                return date(int(match["year"]), int(match["month"]), int(match["day"]))
            except ValueError:
                return None
    return None
