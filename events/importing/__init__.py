"""Imports events. A reader for each file format yields rows, and `import_rows` saves events."""

from .calendars import read_ics
from .fields import FIELDS
from .files import is_calendar, read_events
from .keys import import_key
from .reports import OUTCOMES, Report, RowResult
from .rows import ImportRunning, import_rows
from .tables import read_csv

__all__ = [
    "FIELDS",
    "ImportRunning",
    "OUTCOMES",
    "Report",
    "RowResult",
    "import_key",
    "import_rows",
    "is_calendar",
    "read_csv",
    "read_events",
    "read_ics",
]
