"""Tables from files: the values of spreadsheets, and limits for hostile ones."""

import io
import zipfile
from contextlib import suppress
from datetime import date, datetime
from datetime import time as clock_time

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.api.files import xlsx_rows
from config.api.files.csv_rows import ImportRefused, Row
from config.api.files.tables import Columns, read_table

COLUMNS = Columns({"name": "name", "start_time": "start_time"}, required=(("name",),))

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = 'xmlns="http://schemas.openxmlformats.org/package/2006/relationships"'


def book_of(sheet: str, **parts: str) -> bytes:
    """A workbook whose first sheet is this XML; `parts` replace others by their name."""
    files = {
        "_rels/.rels": f'<Relationships {PACKAGE}><Relationship Id="a" '
        f'Type="{REL}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook {MAIN} xmlns:r="{REL}"><sheets>'
        '<sheet name="A" sheetId="1" r:id="s"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships {PACKAGE}><Relationship Id="s" '
        f'Type="{REL}/worksheet" Target="/xl/worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": sheet,
        **parts,
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def rows_of(content: bytes) -> list[tuple[int, dict[str, str]]]:
    rows = read_table(content, COLUMNS).rows
    return [(row.line, row.cells) for row in rows if isinstance(row, Row)]


def test_cells_of_a_spreadsheet_are_text():
    book = openpyxl.Workbook()
    book.active.append(["Name", "Start time"])
    values = [
        12, 12.5, 1e20, True, "=1+1", "plain", datetime(2027, 3, 1, 9, 30), date(2027, 3, 1),
        clock_time(9, 30), datetime(2027, 3, 1), -0.25,
    ]  # fmt: skip
    for value in values:
        book.active.append([value, "x"])
    content = io.BytesIO()
    book.save(content)

    names = [cells["name"] for _, cells in rows_of(content.getvalue())]

    assert names == [
        "12", "12.5", "1e+20", "true", "", "plain", "2027-03-01T09:30:00", "2027-03-01",
        "09:30:00", "2027-03-01T00:00:00", "-0.25",
    ]  # fmt: skip


def test_rows_and_cells_may_have_no_numbers():
    sheet = (
        f"<worksheet {MAIN}><sheetData><row><c t='inlineStr'><is><t>name</t></is></c></row>"
        "<row/><row><c t='inlineStr'><is><r><t>A</t></r><rPh><t>no</t></rPh><r><t>nn_x0021_</t>"
        "</r></is></c></row></sheetData></worksheet>"
    )

    assert rows_of(book_of(sheet)) == [(3, {"name": "Ann!"})]


def test_half_of_a_pair_is_no_character():
    sheet = (
        f"<worksheet {MAIN}><sheetData><row><c t='str'><v>name</v></c></row>"
        "<row><c t='str'><v>a_xD800_b</v></c></row></sheetData></worksheet>"
    )

    assert rows_of(book_of(sheet)) == [(2, {"name": "a\ufffdb"})]


HEADER = '<row r="1"><c r="A1" t="str"><v>name</v></c></row>'


@pytest.mark.parametrize(
    "sheet",
    [
        f"<worksheet {MAIN}><sheetData>" + "<c/>" * 1_100_000 + "</sheetData></worksheet>",
        f"<worksheet {MAIN}><sheetData>{HEADER}<row><c t='str'><v>" + " " * 70_000_000,
        f"<worksheet {MAIN}><sheetData>{HEADER}<row><c t='str'><v>" + "x" * 200_000,
        f"<worksheet {MAIN}><sheetData>{HEADER}" + "<row/>" * 1_100_000,
        f"<worksheet {MAIN}><sheetData>{HEADER}<row r='999999999999'><c t='str'><v>x</v></c></row>",
        f"<worksheet {MAIN}><sheetData>{HEADER}<row r='2'><c r='ZZZ2' t='str'><v>x</v></c></row>",
        f"<worksheet {MAIN}><sheetData>{HEADER}<row r='-1'><c t='str'><v>x</v></c></row>",
        f"<worksheet {MAIN}><sheetData>{HEADER}<row r='{'9' * 5000}'/>",
        f"<worksheet {MAIN}><sheetData>{HEADER}<row><c><v>not a number</v></c></row>",
        '<!DOCTYPE x [<!ENTITY a "aaaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>',
        '<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>',
        "<a>" * 200_000,
        "no XML",
        "",
    ],
    ids=range(14),
)
@pytest.mark.timeout(120)
def test_a_hostile_sheet_is_refused_at_once(sheet):
    content = book_of(sheet)

    with pytest.raises(ImportRefused):
        rows_of(content)


@pytest.mark.parametrize(
    "parts",
    [
        {"xl/workbook.xml": "<workbook/>"},
        {"xl/workbook.xml": f'<workbook {MAIN} xmlns:r="{REL}"><sheet r:id="gone"/></workbook>'},
        {"xl/_rels/workbook.xml.rels": "<Relationships/>"},
        {"_rels/.rels": "<Relationships/>"},
        {"_rels/.rels": "<Relationships><Relationship/></Relationships>"},
    ],
)
def test_a_workbook_without_its_parts_is_refused(parts):
    with pytest.raises(ImportRefused):
        rows_of(book_of("<worksheet/>", **parts))


def test_a_spreadsheet_that_was_packed_otherwise_is_refused():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("_rels/.rels", "<Relationships/>")

    with pytest.raises(ImportRefused):
        rows_of(content.getvalue())


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_spreadsheet_is_refused(kept):
    content = book_of(f"<worksheet {MAIN}><sheetData>{HEADER}</sheetData></worksheet>")

    with pytest.raises(ImportRefused):
        rows_of(content[: int(len(content) * kept)])


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_damaged_spreadsheets_are_read_or_refused(data):
    content = bytearray(
        book_of(f"<worksheet {MAIN}><sheetData>{HEADER}<row/></sheetData></worksheet>")
    )
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))

    with suppress(ImportRefused):
        rows_of(bytes(content))


@given(content=st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_read_or_refused(content):
    for start in (b"", b"name\n", b"\xff\xfe", b"PK\x03\x04"):
        with suppress(ImportRefused):
            rows_of(start + content)


@pytest.mark.timeout(60)
def test_a_line_of_ten_megabytes_is_refused_at_once():
    content = b"name\n" + b"x" * 10_000_000

    with pytest.raises(ImportRefused):
        rows_of(content)


def test_a_header_of_many_columns_is_refused():
    with pytest.raises(ImportRefused, match="more than 500 columns"):
        rows_of(b"name" + b",x" * xlsx_rows.MAX_COLUMNS)
