"""Rows of Office Open XML spreadsheets (ECMA-376, part 1), with limits for hostile files.

The parts are parsed here, each in one pass. Libraries build a whole row, or the list of all
strings, before the caller can count, and a file of 32 KB can have a row of eight million cells.
"""

import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any
from xml.parsers import expat

from .csv_rows import ImportRefused, Record

MAGIC = b"PK\x03\x04"
OLD_MAGIC = b"\xd0\xcf\x11\xe0"  # of .xls

MAX_UNPACKED_BYTES = 64 * 1024 * 1024
MAX_ELEMENTS = 1_000_000
MAX_COLUMNS = 500
LAST_ROW = 1_048_576  # of any sheet
MAX_CELL = 100_000  # characters; Excel itself ends at 32,767

_CHUNK = 64 * 1024
_DAY = timedelta(days=1)
_EPOCH, _EPOCH_1904 = datetime(1899, 12, 30), datetime(1904, 1, 1)  # noqa: DTZ001  # no zone
_LAST_SERIAL = 2_958_466  # the year 10000
# Formats that have no code in the file (18.8.30): dates, times, and both.
_BUILTIN_FORMATS = {
    **dict.fromkeys((14, 15, 16, 17, *range(27, 37), *range(50, 59)), "y-m-d"),
    **dict.fromkeys((18, 19, 20, 21, 45, 46, 47), "h:m:s"),
    22: "y-m-d h:m:s",
}
_NOT_CODE = re.compile(r'"[^"]*"|\\.|_.|\*.|\[[^\]]*\]')
_ESCAPE = re.compile("_x([0-9A-Fa-f]{4})_")


class _Unreadable(Exception):
    """The file does not follow the format."""


def xlsx_records(content: bytes) -> Iterator[Record]:
    """The rows of the first sheet that are not blank, with their numbers.

    Dates are in ISO 8601, booleans are `true` or `false`, and formulas are their stored results.
    Raises `ImportRefused`.
    """
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            yield from _Workbook(archive).records()
    except (
        _Unreadable, zipfile.BadZipFile, zlib.error, expat.ExpatError, KeyError, ValueError,
        EOFError, NotImplementedError, RuntimeError, OverflowError, OSError,
    ) as error:  # fmt: skip
        raise ImportRefused(
            "The file cannot be read as a spreadsheet. Open it and save it as .xlsx again, or as "
            '"CSV UTF-8".'
        ) from error


class _Workbook:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._unpacked = 0
        self._elements = 0

    def records(self) -> Iterator[Record]:
        path = self._target_of("", "officeDocument")
        workbook = _WorkbookPart()
        self._parse(path, workbook)
        if workbook.first_sheet is None:
            raise _Unreadable
        targets = self._relationships(path)
        strings, styles = _StringsPart(), _StylesPart()
        for part, kind in ((strings, "sharedStrings"), (styles, "styles")):
            for name, target in targets.values():
                if name == kind:
                    self._parse(target, part)
                    break
        sheet = _SheetPart(strings.texts, styles.formats, workbook.epoch)
        for _ in self._pieces(targets[workbook.first_sheet][1], sheet):
            yield from sheet.take_rows()

    def _target_of(self, path: str, kind: str) -> str:
        return next(
            (target for name, target in self._relationships(path).values() if name == kind), ""
        )

    def _relationships(self, path: str) -> dict[str, tuple[str, str]]:
        """The relationships of a part by id: the last word of the type, and the target's path."""
        folder, name = posixpath.split(path)
        part = _RelationshipsPart()
        self._parse(posixpath.join(folder, "_rels", f"{name}.rels"), part)
        return {
            key: (kind, posixpath.normpath(posixpath.join(f"/{folder}", target)).lstrip("/"))
            for key, kind, target in part.relationships
        }

    def _parse(self, path: str, part: "_Part") -> None:
        for _ in self._pieces(path, part):
            pass

    def _pieces(self, path: str, part: "_Part") -> Iterator[None]:
        """Parse a part of the archive. Yields after each piece."""
        info = self._archive.getinfo(path)
        if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise _Unreadable
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True

        def start(name: str, attributes: dict[str, str]) -> None:
            self._elements += 1
            if self._elements > MAX_ELEMENTS:
                raise _too_large()
            part.start(name.rpartition(" ")[2], attributes)

        parser.StartElementHandler = start
        parser.EndElementHandler = lambda name: part.end(name.rpartition(" ")[2])
        parser.CharacterDataHandler = part.add_text
        parser.StartDoctypeDeclHandler = _refuse_doctype
        with self._archive.open(info) as file:
            while piece := file.read(_CHUNK):
                self._unpacked += len(piece)
                if self._unpacked > MAX_UNPACKED_BYTES:
                    raise _too_large()
                parser.Parse(piece, False)
                yield
        parser.Parse(b"", True)
        yield


def _too_large() -> ImportRefused:
    return ImportRefused(
        "The spreadsheet is too large once it is unpacked. Split it, or remove what is not a list.",
        "max_length",
    )


def _refuse_doctype(*_: Any) -> None:
    """Refuse document types, whose entities can expand without limit. Spreadsheets have none."""
    raise _Unreadable


class _Part:
    """The handlers for one part. Text is collected while `_text` is a list."""

    _text: list[str] | None = None
    _length = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        raise NotImplementedError

    def end(self, name: str) -> None:
        pass

    def add_text(self, text: str) -> None:
        if self._text is not None:
            self._length += len(text)
            if self._length > MAX_CELL:
                raise _too_large()
            self._text.append(text)

    def _collect(self) -> None:
        self._text, self._length = [], 0

    def _collected(self) -> str:
        text, self._text = "".join(self._text or ()), None
        return text


class _RelationshipsPart(_Part):
    def __init__(self) -> None:
        self.relationships: list[tuple[str, str, str]] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "Relationship" and attributes.get("TargetMode") != "External":
            kind = attributes["Type"].rpartition("/")[2]
            self.relationships.append((attributes["Id"], kind, attributes["Target"]))


class _WorkbookPart(_Part):
    def __init__(self) -> None:
        self.first_sheet: str | None = None
        self.epoch = _EPOCH

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "sheet" and self.first_sheet is None:
            ids = (value for key, value in attributes.items() if key.endswith(" id"))
            self.first_sheet = next(ids, None)
        elif name == "workbookPr" and attributes.get("date1904") in {"1", "true"}:
            self.epoch = _EPOCH_1904


class _StringsPart(_Part):
    """Shared strings without phonetic text (18.4.6)."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._pieces: list[str] = []
        self._is_phonetic = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "si":
            self._pieces = []
        elif name == "rPh":
            self._is_phonetic = True
        elif name == "t" and not self._is_phonetic:
            self._collect()

    def end(self, name: str) -> None:
        if name == "t" and self._text is not None:
            self._pieces.append(self._collected())
        elif name == "rPh":
            self._is_phonetic = False
        elif name == "si":
            self.texts.append(_unescaped("".join(self._pieces)))


class _StylesPart(_Part):
    """Cell styles. `formats` has the time format of each, empty where it is not one of a time."""

    def __init__(self) -> None:
        self.formats: list[str] = []
        self._codes = dict(_BUILTIN_FORMATS)
        self._in_cells = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "numFmt":
            self._codes[int(attributes["numFmtId"])] = _time_format(attributes["formatCode"])
        elif name == "cellXfs":
            self._in_cells = True
        elif name == "xf" and self._in_cells:
            self.formats.append(self._codes.get(int(attributes.get("numFmtId", "0")), ""))

    def end(self, name: str) -> None:
        if name == "cellXfs":
            self._in_cells = False


def _time_format(code: str) -> str:
    """`y` where a format code has a day, and `h` where it has a time of the day."""
    letters = _NOT_CODE.sub("", code.partition(";")[0][:200]).lower()
    has_day = "y" in letters or "d" in letters
    has_time = "h" in letters or "s" in letters
    return "y" * has_day + "h" * has_time


class _SheetPart(_Part):
    def __init__(self, strings: list[str], formats: list[str], epoch: datetime) -> None:
        self._strings, self._formats, self._epoch = strings, formats, epoch
        self._rows: list[Record] = []
        self._number = 0
        self._cells: dict[int, str] = {}
        self._column = -1
        self._kind = self._style = ""
        self._pieces: list[str] = []
        self._is_phonetic = False

    def take_rows(self) -> list[Record]:
        rows, self._rows = self._rows, []
        return rows

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            reference = attributes.get("r")
            self._column = self._column + 1 if reference is None else _column_number(reference)
            self._kind, self._style = attributes.get("t", "n"), attributes.get("s", "")
            self._pieces = []
        elif name == "v" or (name == "t" and not self._is_phonetic):
            self._collect()
        elif name == "rPh":
            self._is_phonetic = True
        elif name == "row":
            number = attributes.get("r")
            self._number = self._number + 1 if number is None else int(number)
            if not 0 < self._number <= LAST_ROW:
                raise _Unreadable
            self._cells, self._column = {}, -1

    def end(self, name: str) -> None:
        if name in {"v", "t"}:
            if self._text is not None:
                self._pieces.append(self._collected())
        elif name == "c":
            text = self._value("".join(self._pieces))
            if text.strip():
                self._put(text)
        elif name == "rPh":
            self._is_phonetic = False
        elif name == "row" and self._cells:
            width = max(self._cells) + 1
            self._rows.append((self._number, [self._cells.get(i, "") for i in range(width)]))
            self._cells = {}

    def _put(self, text: str) -> None:
        if not 0 <= self._column < MAX_COLUMNS:
            raise ImportRefused(f"The sheet has more than {MAX_COLUMNS} columns.", "max_length")
        self._cells[self._column] = text

    def _value(self, text: str) -> str:
        if self._kind == "s":
            index = int(text) if text else -1
            return self._strings[index] if 0 <= index < len(self._strings) else ""
        if self._kind in {"str", "inlineStr"}:
            return _unescaped(text)
        if self._kind == "b":
            return {"1": "true", "0": "false"}.get(text.strip(), text)
        if self._kind != "n" or not text.strip():
            return text
        style = int(self._style or 0)
        time_format = self._formats[style] if 0 <= style < len(self._formats) else ""
        return _number_text(float(text), time_format, self._epoch)


def _column_number(reference: str) -> int:
    """The column of a cell reference, from 0: that of `C7` is 2."""
    number = 0
    for character in reference[:4].upper():
        if not "A" <= character <= "Z":
            break
        number = number * 26 + ord(character) - 64
    return number - 1


def _number_text(number: float, time_format: str, epoch: datetime) -> str:
    if time_format and 0 <= number < _LAST_SERIAL:
        moment = epoch + timedelta(seconds=round(number * _DAY.total_seconds()))
        if "y" not in time_format:
            return moment.strftime("%H:%M:%S")
        return moment.isoformat() if "h" in time_format else moment.date().isoformat()
    if number.is_integer() and abs(number) < 1e15:
        return str(int(number))
    return repr(number)


def _unescaped(text: str) -> str:
    """Replace `_x000D_` by its character (22.9.2.19), and lone surrogates by U+FFFD."""
    if "_x" not in text:
        return text
    text = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
