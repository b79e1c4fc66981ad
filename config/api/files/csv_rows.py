"""Records of CSV files (RFC 4180), each with the number of its first line."""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO

SEPARATORS = (",", ";", "\t", "|")

_SEPARATOR_LINE = re.compile(r'"?sep=(\\t|[^"\r\n])"?[,;\t|]*', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Row:
    """A row as text by column. `identity` is its id in the source, such as a calendar's UID."""

    line: int
    cells: dict[str, str]
    identity: str = ""


@dataclass(frozen=True, slots=True)
class RowError:
    """An error of a row. `column` is None when it is not about one cell."""

    line: int
    column: str | None
    reason: str
    code: str = "invalid"

    def __str__(self) -> str:
        cell = f"line {self.line}, {self.column}" if self.column else f"line {self.line}"
        return f"{cell}: {self.reason}"


class ImportRefused(Exception):
    """Nothing was imported. The message says why and what to do. `code` is a field code."""

    def __init__(self, message: str, code: str = "invalid") -> None:
        super().__init__(message)
        self.code = code


Record = tuple[int, list[str]]


def csv_records(text: str, is_known: Callable[[str], bool]) -> Iterator[Record | RowError]:
    """The records that are not blank, with the numbers of their first lines.

    A first line such as `sep=;` names the separator. Otherwise it is the one of `SEPARATORS` by
    which the header has the most columns that are `is_known`. Raises `ImportRefused`.
    """
    separator, skipped = _separator(text, is_known)
    lines = StringIO(text, newline="")
    for _ in range(skipped):
        next(lines)
    # Strict: a stray quote is an error and does not merge rows into a long cell.
    reader = csv.reader(lines, delimiter=separator, strict=True)
    is_header = True
    while True:
        line = skipped + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if is_header or "field limit" in str(error):
                raise ImportRefused(_unreadable_from(line)) from error
            yield RowError(line, None, _misquoted(line, skipped + reader.line_num))
            continue
        if any(cell.strip() for cell in cells):  # spreadsheets write empty rows as lines of commas
            is_header = False
            yield line, cells


def _separator(text: str, is_known: Callable[[str], bool]) -> tuple[str, int]:
    """The separator, and the number of lines before the header."""
    skipped = 0
    for line in StringIO(text, newline=""):
        if line.strip():
            break
        skipped += 1
    else:
        return ",", 0
    if match := _SEPARATOR_LINE.fullmatch(line.strip(" \r\n")):
        separator = "\t" if match[1] == "\\t" else match[1]
        if separator not in SEPARATORS:
            raise ImportRefused("The line sep= names no separator. Use a comma, ; | or a tab.")
        return separator, skipped + 1

    def columns(separator: str) -> tuple[int, int]:
        try:
            cells = next(csv.reader([line], delimiter=separator))
        except csv.Error:
            return 0, 0
        return sum(map(is_known, cells)), len(cells)

    return max(SEPARATORS, key=columns), skipped


def _unreadable_from(line: int) -> str:
    return (
        f"From line {line} on the file cannot be read as CSV, "
        "most likely since a quote that opens there is not closed."
    )


def _misquoted(first: int, last: int) -> str:
    lines = "" if last <= first else f" The row was read up to line {last}."
    return f'A quote is not closed, or one inside a cell is not written as "".{lines}'


def short_list(names: Sequence[str], max_names: int = 10) -> str:
    """Names for a message, shortened: a hostile file may have many and long ones."""
    listed = ", ".join(name[:40] for name in names[:max_names])
    return f"{listed} …" if len(names) > max_names else listed
