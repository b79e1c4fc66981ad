"""Records of CSV files (RFC 4180), each with the line in which it begins."""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO

SEPARATORS = (",", ";", "\t", "|")

_SEPARATOR_LINE = re.compile(r'"?sep=(\\t|[^"\r\n])"?[,;\t|]*', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Row:
    """Text by column. `identity` names the row in its source, as a UID does in a calendar."""

    line: int
    cells: dict[str, str]
    identity: str = ""


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong with a row; `column` is None when it is not about one cell."""

    line: int
    column: str | None
    reason: str
    code: str = "invalid"

    def __str__(self) -> str:
        place = f"line {self.line}, {self.column}" if self.column else f"line {self.line}"
        return f"{place}: {self.reason}"


class ImportRefused(Exception):
    """Nothing was imported; the message says why and what to do. `code` is a field code."""

    def __init__(self, message: str, code: str = "invalid") -> None:
        super().__init__(message)
        self.code = code


Record = tuple[int, list[str]]


def csv_records(text: str, is_known: Callable[[str], bool]) -> Iterator[Record | RowError]:
    """The records that are not blank, with their lines. Raises `ImportRefused`.

    The separator is the one that a first line `sep=;` names, else that of `SEPARATORS` which gives
    the header the most columns that are `is_known`.
    """
    separator, passed = _separator(text, is_known)
    lines = StringIO(text, newline="")
    for _ in range(passed):
        next(lines)
    # Strict: what a stray quote would swallow is an error, not a long cell.
    reader = csv.reader(lines, delimiter=separator, strict=True)
    is_header = True
    while True:
        line = passed + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if is_header or "field limit" in str(error):
                raise ImportRefused(_unreadable_from(line)) from error
            yield RowError(line, None, _misquoted(line, passed + reader.line_num))
            continue
        if any(cell.strip() for cell in cells):  # spreadsheets leave lines of commas behind
            is_header = False
            yield line, cells


def _separator(text: str, is_known: Callable[[str], bool]) -> tuple[str, int]:
    """The separator, and how many lines come before the header's."""
    passed = 0
    for line in StringIO(text, newline=""):
        if line.strip():
            break
        passed += 1
    else:
        return ",", 0
    if named := _SEPARATOR_LINE.fullmatch(line.strip(" \r\n")):
        separator = "\t" if named[1] == "\\t" else named[1]
        if separator not in SEPARATORS:
            raise ImportRefused("The line sep= names no separator. Use a comma, ; | or a tab.")
        return separator, passed + 1

    def columns(separator: str) -> tuple[int, int]:
        try:
            cells = next(csv.reader([line], delimiter=separator))
        except csv.Error:
            return 0, 0
        return sum(map(is_known, cells)), len(cells)

    return max(SEPARATORS, key=columns), passed


def _unreadable_from(line: int) -> str:
    return (
        f"From line {line} on the file cannot be read as CSV, "
        "most likely since a quote that opens there is not closed."
    )


def _misquoted(first: int, last: int) -> str:
    lines = "" if last <= first else f" The row was read up to line {last}."
    return f'A quote is not closed, or one inside a cell is not written as "".{lines}'


def short_list(names: Sequence[str], most: int = 10) -> str:
    """Names for a message: a hostile file has long ones, and many."""
    shown = ", ".join(name[:40] for name in names[:most])
    return f"{shown} …" if len(names) > most else shown
