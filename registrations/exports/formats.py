"""The file formats of an attendee list.

Each format is one class in `EXPORTS`. Addresses, documentation and content types derive from it.
PostgreSQL writes the rows and they are streamed in pieces, so memory use does not grow with the
number of attendees.
"""

from collections.abc import Generator, Sequence
from datetime import tzinfo
from itertools import chain, repeat
from tempfile import TemporaryFile
from typing import Any, Protocol

from django.db import connection

from config.api.http.negotiation import to_json
from events.models import Event

from ..models import RegistrationQuerySet
from .columns import EXAMPLE_ROW, ROW_SCHEMA, TEXT_COLUMNS, Column, text_columns
from .statement import (
    Options,
    attendee_select,
    columns_of,
    concatenated,
    quoted,
    session_zone,
    text_batches,
)
from .streaming import PIECE_BYTES
from .xlsx import XmlColumn, rows_as_xml, write_workbook


def _example_line() -> str:
    cells = {name: str(value or "") for name, value in EXAMPLE_ROW.items()}
    return ",".join(f'"{cell}"' if name in TEXT_COLUMNS else cell for name, cell in cells.items())


class Export(Protocol):
    """A file format: its file extension, its media type, and its content as pieces of bytes.

    `schema` and `example` are for the OpenAPI document. A binary format has no example.
    """

    name: str
    media_type: str
    schema: dict[str, Any]
    example: Any

    def pieces(
        self, event: Event, rows: RegistrationQuerySet, zone: tzinfo, options: Options
    ) -> Generator[bytes]: ...


class CsvExport:
    """RFC 4180, written by PostgreSQL's COPY."""

    name = "csv"
    media_type = "text/csv; charset=utf-8"
    schema: dict[str, Any] = {"type": "string"}
    example = "\r\n".join((",".join(EXAMPLE_ROW), _example_line(), ""))

    def pieces(
        self, event: Event, rows: RegistrationQuerySet, zone: tzinfo, options: Options
    ) -> Generator[bytes]:
        piece = bytearray("\ufeff".encode() if options.bom else b"")
        columns = columns_of(event, options)
        piece += ",".join(column.name for column in columns).encode() + b"\r\n"
        select, parameters = attendee_select(
            event, rows, zone, options, columns, guarded=not options.raw
        )
        # Texts are always quoted: readers disagree about which separators need quotes.
        texts = ", ".join(map(quoted, text_columns(columns)))
        command = f"COPY ({select}) TO STDOUT (FORMAT csv, FORCE_QUOTE ({texts}))"
        with (
            session_zone(zone),
            connection.cursor() as cursor,
            cursor.copy(command, parameters) as copy,
        ):
            for line in copy:
                piece += line[:-1]
                piece += b"\r\n"  # COPY ends lines with LF, RFC 4180 with CRLF
                if len(piece) >= PIECE_BYTES:
                    yield bytes(piece)
                    piece.clear()
        yield bytes(piece)


class JsonExport:
    """One array of objects (RFC 8259)."""

    name = "json"
    media_type = "application/json"
    schema: dict[str, Any] = {"type": "array", "items": ROW_SCHEMA}
    example = [EXAMPLE_ROW]

    def pieces(
        self, event: Event, rows: RegistrationQuerySet, zone: tzinfo, options: Options
    ) -> Generator[bytes]:
        separator = "["
        for batch in _json_batches(event, rows, zone, options):
            yield (separator + ",\n".join(batch)).encode()
            separator = ",\n"
        yield b"]\n" if separator != "[" else b"[]\n"


class JsonLinesExport:
    """JSON Lines: one object per line."""

    name = "jsonl"
    media_type = "application/jsonl"
    schema: dict[str, Any] = {"type": "string"}
    example = to_json(EXAMPLE_ROW).decode() + "\n"

    def pieces(
        self, event: Event, rows: RegistrationQuerySet, zone: tzinfo, options: Options
    ) -> Generator[bytes]:
        for batch in _json_batches(event, rows, zone, options):
            yield ("\n".join(batch) + "\n").encode()


class XlsxExport:
    """Office Open XML. Its text cells cannot run as formulas.

    A workbook is a ZIP archive, which is complete only at its end. So it is written to a temporary
    file and sent from there.
    """

    name = "xlsx"
    media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    schema: dict[str, Any] = {"type": "string", "format": "binary"}
    example = None
    rows_of_a_sheet = 1_048_576

    def pieces(
        self, event: Event, rows: RegistrationQuerySet, zone: tzinfo, options: Options
    ) -> Generator[bytes]:
        columns = columns_of(event, options)
        select, parameters = attendee_select(event, rows, zone, options, columns)
        texts = set(text_columns(columns))
        cells = [
            XmlColumn(quoted(column.name), column.kind == "number", column.name in texts)
            for column in columns
        ]
        statement = rows_as_xml(select, cells, self.rows_of_a_sheet)
        batches = text_batches(statement, parameters, zone)
        with TemporaryFile() as file:
            header = [column.name for column in columns]
            write_workbook(file, header, batches, self.rows_of_a_sheet)
            file.seek(0)
            while piece := file.read(PIECE_BYTES):
                yield piece


EXPORTS: dict[str, Export] = {
    export.name: export for export in (CsvExport(), XlsxExport(), JsonExport(), JsonLinesExport())
}


# In each row `row_to_json` looks up the type of each column, and passes the columns before it. That
# takes a twelfth less for 12 columns, and a fifth more for 62.
_FEW_COLUMNS = 20


def _json_batches(
    event: Event, rows: RegistrationQuerySet, zone: tzinfo, options: Options
) -> Generator[list[str]]:
    """The rows as texts of JSON objects, which PostgreSQL writes."""
    columns = columns_of(event, options)
    select, parameters = attendee_select(event, rows, zone, options, columns, as_json=True)
    json_select = f"SELECT {_row_as_json(columns)} FROM ({select}) AS rows"  # noqa: S608  # nosec
    yield from text_batches(json_select, parameters, zone)


def _row_as_json(columns: Sequence[Column]) -> str:
    """SQL for the text of a JSON object."""
    if len(columns) <= _FEW_COLUMNS:
        return "row_to_json(rows)::text"
    texts = []
    for column, separator in zip(columns, chain("{", repeat(",")), strict=False):
        texts.append(f"""'{separator}"{column.name}":'""")
        texts.append(f"coalesce(to_json({quoted(column.name)}), 'null')")
    return concatenated([*texts, "'}'"])
