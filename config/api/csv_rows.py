"""Rows of CSV files, whatever they are about: read strictly, told by the line they begin in."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from typing import BinaryIO

# What surrogateescape makes of bytes that are not UTF-8.
_UNDECODED = re.compile("[\udc80-\udcff]")


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

    def __str__(self) -> str:
        place = f"line {self.line}, {self.column}" if self.column else f"line {self.line}"
        return f"{place}: {self.reason}"


class ImportRefused(Exception):
    """Nothing was imported; the message says why and what to do."""


def read_csv(
    file: BinaryIO,
    *,
    known: Sequence[str],
    required: Sequence[str],
    ignored: list[str] | None = None,
) -> Iterator[Row | RowError]:
    """The rows of a CSV file (RFC 4180, UTF-8) whose first line names the columns.

    A row is told by the line that it begins in. Columns that are not `known` are added to
    `ignored` when that is given, else refused. Raises `ImportRefused`.
    """
    # Strict: what a stray quote would swallow is an error, not a long cell.
    reader = csv.reader(utf8_lines(file), strict=True)
    columns: list[str] | None = None
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            if columns is None or "field limit" in str(error):
                raise ImportRefused(_unreadable_from(line)) from error
            yield RowError(line, None, _misquoted(line, reader.line_num))
            continue
        if not any(cell.strip() for cell in cells):
            continue  # spreadsheets leave lines of commas behind
        if columns is None:
            columns = _columns(cells, known, required, ignored)
        elif len(cells) == len(columns):
            yield Row(line, dict(zip(columns, cells, strict=True)))
        else:
            yield RowError(
                line,
                None,
                f"The row has {len(cells)} cells, the first line names {len(columns)} columns. "
                "Look for a comma too many, one too few, or a missing quote.",
            )
    if columns is None:
        raise ImportRefused(
            f"The file is empty. Its first line must name the columns: {', '.join(known)}."
        )


def utf8_lines(file: BinaryIO) -> Iterator[str]:
    """Lines with their endings; a byte order mark is skipped. The file stays open."""
    text = TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    try:
        for number, line in enumerate(text, start=1):
            if not line.isascii() and _UNDECODED.search(line):
                raise ImportRefused(
                    f"Line {number} is not UTF-8. Save the file in that encoding, "
                    'in a spreadsheet as "CSV UTF-8".'
                )
            yield line
    finally:
        if not text.closed:
            text.detach()


def _columns(
    cells: list[str], known: Sequence[str], required: Sequence[str], ignored: list[str] | None
) -> list[str]:
    names = [cell.strip().lower() for cell in cells]
    unknown = [name for name in names if name not in known]
    if ignored is not None and len(names) > 1:
        ignored += unknown
        unknown = []
    repeated = sorted({name for name in names if names.count(name) > 1 and name in known})
    missing = [name for name in required if name not in names]
    if unknown:
        shown = ", ".join(repr(name[:40]) for name in unknown[:10])
        hint = (
            "Separate the cells by commas."
            if len(names) == 1
            else f"The first line must name the columns; known are {', '.join(known)}."
        )
        raise ImportRefused(f"Unknown columns: {shown}. {hint}")
    if repeated:
        raise ImportRefused(f"Columns that occur twice: {', '.join(repeated)}. Remove one each.")
    if missing:
        raise ImportRefused(
            f"Missing columns: {', '.join(missing)}. The first line must name these."
        )
    return names


def _unreadable_from(line: int) -> str:
    return (
        f"From line {line} on the file cannot be read as CSV, "
        "most likely since a quote that opens there is not closed."
    )


def _misquoted(first: int, last: int) -> str:
    lines = "" if last <= first else f" The row was read up to line {last}."
    return f'A quote is not closed, or one inside a cell is not written as "".{lines}'
