"""Tables in files: one reader for CSV and spreadsheets, with columns by their headers."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .csv_rows import ImportRefused, Record, Row, RowError, csv_records, short_list
from .text_files import decode_text
from .xlsx_rows import MAGIC, OLD_MAGIC, xlsx_records

MAX_COLUMNS = 500


@dataclass(frozen=True)
class Columns:
    """The columns that are read.

    `names` maps headers, in the form of `column_key`, to the names of columns. At least one column
    of each group in `required` must be present.
    """

    names: Mapping[str, str]
    required: Sequence[Sequence[str]]

    def column_of(self, header: str) -> str | None:
        return self.names.get(column_key(header))


@dataclass
class Table:
    """A table whose `rows` can be read once, lazily. Reading may raise `ImportRefused`."""

    rows: Iterator[Row | RowError]
    ignored_columns: list[str] = field(default_factory=list)
    is_spreadsheet: bool = False
    columns: frozenset[str] = frozenset()  # those that are read


def column_key(header: str) -> str:
    """A header without regard to letter case, with `_` for spaces and `-`.

    >>> column_key(" E-Mail  Address")
    'e_mail_address'
    """
    return re.sub(r"[\s_-]+", "_", header.strip()).casefold()


def read_table(content: bytes, columns: Columns, *, charset: str | None = None) -> Table:
    """The rows of a CSV file or of the first sheet of a spreadsheet, whose first row is a header.

    Rows that are shorter than the header are filled with empty cells. Blank rows are left out. The
    headers of columns that are not read are in `ignored_columns`. Raises `ImportRefused`.
    """
    if content.startswith(OLD_MAGIC):
        raise ImportRefused(
            'This is a workbook in the old format of Excel. Save it as .xlsx or as "CSV UTF-8".'
        )
    is_spreadsheet = content.startswith(MAGIC)
    records: Iterator[Record | RowError]
    if is_spreadsheet:
        records = xlsx_records(content)
    else:
        text = decode_text(content, charset)
        records = csv_records(text, lambda header: columns.column_of(header) is not None)
    header = next(records, None)
    if header is None or isinstance(header, RowError):
        names = short_list(list(dict.fromkeys(columns.names.values())), 30)
        raise ImportRefused(f"The file is empty. Its first line must name the columns: {names}.")
    headers = [cell.strip() for cell in header[1]]
    read = _columns_of(headers, columns)
    ignored = [name for name, column in zip(headers, read, strict=True) if column is None]
    known = frozenset(name for name in read if name)
    return Table(_rows(records, read), list(dict.fromkeys(ignored)), is_spreadsheet, known)


def _columns_of(headers: list[str], columns: Columns) -> list[str | None]:
    """The column of each header, None for one that is not read."""
    if len(headers) > MAX_COLUMNS:
        raise ImportRefused(f"The file has more than {MAX_COLUMNS} columns.", "max_length")
    read = [columns.column_of(header) for header in headers]
    repeated = sorted({name for name in read if name and read.count(name) > 1})
    if repeated:
        raise ImportRefused(f"Columns that occur twice: {', '.join(repeated)}. Remove one each.")
    missing = [group[0] for group in columns.required if not set(group) & set(read)]
    if missing:
        raise ImportRefused(
            f"Missing columns: {', '.join(missing)}. The first line must name these; it names "
            f"{short_list(headers)}."
        )
    return read


def _rows(
    records: Iterator[Record | RowError], columns: list[str | None]
) -> Iterator[Row | RowError]:
    for record in records:
        if isinstance(record, RowError):
            yield record
            continue
        line, cells = record
        if any(cell.strip() for cell in cells[len(columns) :]):
            yield RowError(
                line,
                None,
                f"The row has {len(cells)} cells, the first line names {len(columns)} columns. "
                "Look for a separator too many, or a missing quote.",
            )
            continue
        cells += [""] * (len(columns) - len(cells))
        yield Row(line, {name: cell for name, cell in zip(columns, cells, strict=False) if name})
