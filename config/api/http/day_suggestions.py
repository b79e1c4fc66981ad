"""Days that a client probably meant in place of a text that is none."""

import re
from datetime import date, timedelta

from django.utils import timezone

_NAMED = {"yesterday": -1, "today": 0, "now": 0, "tomorrow": 1}
_FORMS = (
    re.compile(r"(?P<year>[0-9]{4})[-/.](?P<month>[0-9]{1,2})[-/.](?P<day>[0-9]{1,2})([t ].*)?"),
    re.compile(r"(?P<year>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})"),
    re.compile(r"(?P<day>[0-9]{1,2})\.\s?(?P<month>[0-9]{1,2})\.\s?(?P<year>[0-9]{4})"),
)


def explain_day(text: object) -> str:
    """How a day is written: the one that was probably meant, if that is clear.

    Which number of `03/04/2027` is the month is not.
    """
    meant = _meant_day(text.strip().lower()) if isinstance(text, str) else None
    return f"Did you mean {meant}? Send a day as YYYY-MM-DD." if meant else EXPLANATION


EXPLANATION = "Send a day as YYYY-MM-DD, such as 2027-03-15."


def _meant_day(text: str) -> date | None:
    if text in _NAMED:
        return timezone.localdate() + timedelta(days=_NAMED[text])
    for form in _FORMS:
        if found := form.fullmatch(text):
            try:
                return date(int(found["year"]), int(found["month"]), int(found["day"]))
            except ValueError:
                return None
    return None
