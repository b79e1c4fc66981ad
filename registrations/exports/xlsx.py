"""Office Open XML spreadsheets (ECMA-376, part 1) from rows that PostgreSQL writes as XML.

Every text is an inline string, which no spreadsheet runs as a formula. Rows are written to the
archive one batch at a time, so memory use does not grow with their number.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO
from zipfile import ZIP_DEFLATED, ZipFile

from .statement import concatenated

_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_SHEETS = "application/vnd.openxmlformats-officedocument.spreadsheetml"

# Style 1 is bold, for the header.
_STYLES = (
    f'{_XML}<styleSheet xmlns="{_MAIN}">'
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>'
    '<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    "<borders><border><left/><right/><top/><bottom/><diagonal/></border></borders>"
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="2"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    "</styleSheet>"
)
_FROZEN = (
    '<sheetViews><sheetView workbookViewId="0">'
    '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
    "</sheetView></sheetViews>"
)

# Characters that XML 1.0 cannot represent. They mean nothing in a name, so they are left out.
_NOT_IN_XML = "".join(chr(code) for code in (*range(1, 9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF))

# One comparison rules most texts out, in a seventh of the time that escaping takes.
_NEEDS_ESCAPE = f"[&<>{_NOT_IN_XML}]|_x"

# Spreadsheets call a file with a longer text damaged.
_MAX_CELL = 32_767
_TWO_UNITS = "[\U00010000-\U0010ffff]"


@dataclass(frozen=True)
class XmlColumn:
    """`name` is as in SQL. `needs_escape` is set for texts that people have written."""

    name: str
    is_number: bool = False
    needs_escape: bool = False


def rows_as_xml(select: str, columns: Sequence[XmlColumn], rows_of_a_sheet: int) -> str:
    """A statement that selects each row of `select` as one XML text, with the same parameters."""
    cells = [_cell(column, column_letters(index)) for index, column in enumerate(columns)]
    row = concatenated(["""'<row r="'""", "line", """'">'""", *cells, "'</row>'"])
    return f"""
        SELECT {row}
        FROM (
            SELECT *, ((row_number() OVER () - 1) %% {rows_of_a_sheet - 1} + 2)::text AS line
            FROM ({select}) AS selected
        ) AS numbered
    """  # noqa: S608  # nosec  # composed of constants and of `select`


def column_letters(index: int) -> str:
    """The name of a column, counted from 0.

    >>> column_letters(0), column_letters(25), column_letters(26), column_letters(64)
    ('A', 'Z', 'AA', 'BM')
    """
    before = column_letters(index // 26 - 1) if index >= 26 else ""
    return before + chr(65 + index % 26)


def _cell(column: XmlColumn, letter: str) -> str:
    """SQL for a cell; null if the value is null."""
    start = f"""'<c r="{letter}' || line"""
    if column.is_number:
        return f"""{start} || '"><v>' || {column.name} || '</v></c>'"""
    text, space = column.name, ""
    if column.needs_escape:
        text, space = _escaped(f"({_cut(column.name)})"), ' xml:space="preserve"'
    opened, closed = f"""'" t="inlineStr"><is><t{space}>'""", "'</t></is></c>'"
    return f"{start} || {opened} || {text} || {closed}"


def _cut(name: str) -> str:
    """SQL for a text that a cell can hold.

    The limit counts UTF-16 units. UTF-8 has at least as many bytes, so that few texts are examined.
    """
    return (
        f"CASE WHEN octet_length({name}) <= {_MAX_CELL} THEN {name}"
        f" WHEN {name} ~ '{_TWO_UNITS}' THEN left({name}, {_MAX_CELL // 2})"
        f" ELSE left({name}, {_MAX_CELL}) END"
    )


def _escaped(name: str) -> str:
    """SQL for a text with its markup escaped.

    `_x0041_` is escaped too: readers take it for a character code (ECMA-376, part 1, 22.9.2.19).
    """
    escaped = (
        f"CASE WHEN position('_x' in {name}) > 0"
        f" THEN regexp_replace({name}, '_(x[0-9A-Fa-f]{{4}}_)', '_x005F_\\1', 'g') ELSE {name} END"
    )
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        escaped = f"replace({escaped}, '{character}', '{entity}')"
    escaped = f"translate({escaped}, '{_NOT_IN_XML}', '')"
    return f"CASE WHEN {name} ~ '{_NEEDS_ESCAPE}' THEN {escaped} ELSE {name} END"


def write_workbook(
    file: IO[bytes], header: Sequence[str], batches: Iterable[list[str]], rows_of_a_sheet: int
) -> None:
    """Writes rows of `rows_as_xml` to as many sheets as they need, each with a header."""
    capacity, sheets = rows_of_a_sheet - 1, 0
    rows = _Rows(batches)
    with ZipFile(file, "w", ZIP_DEFLATED, compresslevel=1) as archive:
        while rows.has_more or not sheets:
            sheets += 1
            with archive.open(f"xl/worksheets/sheet{sheets}.xml", "w", force_zip64=True) as sheet:
                sheet.write(_sheet_start(header).encode())
                for part in rows.take(capacity):
                    sheet.write("".join(part).encode())
                sheet.write(b"</sheetData></worksheet>")
        for name, text in _parts(sheets):
            archive.writestr(name, text)


class _Rows:
    """Batches of rows, cut at the end of each sheet."""

    def __init__(self, batches: Iterable[list[str]]) -> None:
        self._batches = iter(batches)
        self._batch = next(self._batches, [])

    @property
    def has_more(self) -> bool:
        return bool(self._batch)

    def take(self, number: int) -> Iterator[list[str]]:
        """The next rows in batches, at most `number` in all."""
        while number and self._batch:
            part, self._batch = self._batch[:number], self._batch[number:]
            number -= len(part)
            if not self._batch:
                self._batch = next(self._batches, [])
            yield part


def _sheet_start(header: Sequence[str]) -> str:
    cells = "".join(
        f'<c r="{column_letters(index)}1" s="1" t="inlineStr"><is><t>{name}</t></is></c>'
        for index, name in enumerate(header)
    )
    return (
        f'{_XML}<worksheet xmlns="{_MAIN}">{_FROZEN}'
        f'<cols><col min="1" max="{len(header)}" width="22" customWidth="1"/></cols>'
        f'<sheetData><row r="1">{cells}</row>'
    )


def _parts(sheets: int) -> Iterator[tuple[str, str]]:
    """Names and texts of the parts besides the sheets (ECMA-376, part 1, section 12.3)."""
    numbers = range(1, sheets + 1)
    yield "xl/styles.xml", _STYLES
    listed = "".join(
        f'<sheet name="Sheet{number}" sheetId="{number}" r:id="rId{number}"/>' for number in numbers
    )
    yield (
        "xl/workbook.xml",
        f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{listed}</sheets></workbook>',
    )
    targets = [("worksheet", f"worksheets/sheet{number}.xml") for number in numbers]
    yield (
        "xl/_rels/workbook.xml.rels",
        _relationships([*targets, ("styles", "styles.xml")]),
    )
    yield "_rels/.rels", _relationships([("officeDocument", "xl/workbook.xml")])
    types = [("/xl/workbook.xml", "sheet.main"), ("/xl/styles.xml", "styles")]
    types += [(f"/xl/worksheets/sheet{number}.xml", "worksheet") for number in numbers]
    overrides = "".join(
        f'<Override PartName="{name}" ContentType="{_SHEETS}.{kind}+xml"/>' for name, kind in types
    )
    content_types = (
        f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{overrides}</Types>'
    )
    yield "[Content_Types].xml", content_types


def _relationships(targets: Sequence[tuple[str, str]]) -> str:
    relationships = "".join(
        f'<Relationship Id="rId{number}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, start=1)
    )
    return f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{relationships}</Relationships>'
