"""Rows of events in CSV files and spreadsheets."""

from config.api.files.tables import Columns, Table, column_key, read_table

from ..serializers.aliases import FIELD_ALIASES
from .fields import FIELDS

COLUMNS = Columns(
    {column_key(name): name for name in (*FIELDS, *FIELD_ALIASES)},
    required=(
        ("name", "title", "description"),
        ("location", "meeting_url", "description"),
        ("start_time", "date"),
    ),
)


def read_csv(content: bytes, charset: str | None = None) -> Table:
    """The rows of a file whose first line names fields of an event. Raises `ImportRefused`."""
    return read_table(content, COLUMNS, charset=charset)
