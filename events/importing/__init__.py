"""Events from files. A reader per format makes rows of a file, `import_rows` events of rows."""

from .calendars import read_ics
from .rows import COLUMNS, REQUIRED_COLUMNS, Report, import_key, import_rows, read_csv

__all__ = [
    "COLUMNS",
    "REQUIRED_COLUMNS",
    "Report",
    "import_key",
    "import_rows",
    "read_csv",
    "read_ics",
]
