"""Office Open XML spreadsheets (ECMA-376, part 1), of rows that PostgreSQL writes as XML.

Every text is an inline string, which no spreadsheet runs as a formula. Memory stays flat: rows go
into the archive as they come.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO
from zipfile import ZIP_DEFLATED, ZipFile

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

# What XML 1.0 has no way to write. It means nothing in a name, so it is left out.
_NOT_IN_XML = "".join(chr(code) for code in (*range(1, 9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF))


@dataclass(frozen=True)
class XmlColumn:
    """`is_free` text was written by people, so it has to be escaped."""

    name: str
    is_number: bool = False
    is_free: bool = False


def rows_as_xml(select: str, columns: Sequence[XmlColumn], rows_of_a_sheet: int) -> str:
    """A statement, with parameters as `select` has them, that yields each row as one text."""
    cells = " || ".join(_cell(column, chr(65 + place)) for place, column in enumerate(columns))
    return f"""
        SELECT '<row r="' || line || '">' || {cells} || '</row>'
        FROM (
            SELECT *, (row_number() OVER () - 1) %% {rows_of_a_sheet - 1} + 2 AS line
            FROM ({select}) AS selected
        ) AS numbered
    """  # noqa: S608  # nosec  # composed of constants and of what `select` is composed of


def _cell(column: XmlColumn, letter: str) -> str:
    """SQL: empty where the value is null."""
    start = f"""'<c r="{letter}' || line"""
    if column.is_number:
        return f"""coalesce({start} || '"><v>' || {column.name} || '</v></c>', '')"""
    text, space = column.name, ""
    if column.is_free:
        text, space = _escaped(column.name), ' xml:space="preserve"'
    opened, closed = f"""'" t="inlineStr"><is><t{space}>'""", "'</t></is></c>'"
    return f"coalesce({start} || {opened} || {text} || {closed}, '')"


def _escaped(name: str) -> str:
    """SQL. `_x0041_` would be read as a character's number (ECMA-376, part 1, 22.9.2.19)."""
    told = (
        f"CASE WHEN position('_x' in {name}) > 0"
        f" THEN regexp_replace({name}, '_(x[0-9A-Fa-f]{{4}}_)', '_x005F_\\1', 'g') ELSE {name} END"
    )
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        told = f"replace({told}, '{character}', '{entity}')"
    return f"translate({told}, '{_NOT_IN_XML}', '')"


def write_workbook(
    file: IO[bytes], header: Sequence[str], batches: Iterable[list[str]], rows_of_a_sheet: int
) -> None:
    """The rows, as `rows_as_xml` made them, on as many sheets as they need, each with a header."""
    room, sheets = rows_of_a_sheet - 1, 0
    rows = _Rows(batches)
    with ZipFile(file, "w", ZIP_DEFLATED, compresslevel=1) as archive:
        while rows.has_more or not sheets:
            sheets += 1
            with archive.open(f"xl/worksheets/sheet{sheets}.xml", "w", force_zip64=True) as sheet:
                sheet.write(_sheet_start(header).encode())
                for part in rows.take(room):
                    sheet.write("".join(part).encode())
                sheet.write(b"</sheetData></worksheet>")
        for name, text in _parts(sheets):
            archive.writestr(name, text)


class _Rows:
    """Rows that come in batches and leave as many at a time as a sheet has room for."""

    def __init__(self, batches: Iterable[list[str]]) -> None:
        self._batches = iter(batches)
        self._batch = next(self._batches, [])

    @property
    def has_more(self) -> bool:
        return bool(self._batch)

    def take(self, room: int) -> Iterator[list[str]]:
        while room and self._batch:
            part, self._batch = self._batch[:room], self._batch[room:]
            room -= len(part)
            if not self._batch:
                self._batch = next(self._batches, [])
            yield part


def _sheet_start(header: Sequence[str]) -> str:
    cells = "".join(
        f'<c r="{chr(65 + place)}1" s="1" t="inlineStr"><is><t>{name}</t></is></c>'
        for place, name in enumerate(header)
    )
    return (
        f'{_XML}<worksheet xmlns="{_MAIN}">{_FROZEN}'
        f'<cols><col min="1" max="{len(header)}" width="22" customWidth="1"/></cols>'
        f'<sheetData><row r="1">{cells}</row>'
    )


def _parts(sheets: int) -> Iterator[tuple[str, str]]:
    """What an archive has beside its sheets (ECMA-376, part 1, section 12.3)."""
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
    types_of_all = (
        f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{overrides}</Types>'
    )
    yield "[Content_Types].xml", types_of_all


def _relationships(targets: Sequence[tuple[str, str]]) -> str:
    found = "".join(
        f'<Relationship Id="rId{number}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, start=1)
    )
    return f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{found}</Relationships>'
