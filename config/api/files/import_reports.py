"""The response to an import, with the outcome of each row of the file."""

from collections.abc import Iterable, Sequence
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from config.errors import FIELD_CODES, FieldError, ValidationFailed

from ..fields import TextField
from ..pagination.paginator import read_flag
from .csv_rows import RowError


class RowNoteOut(serializers.Serializer[Any]):
    field = TextField(help_text="`line.<number>`, and the column or property if it is about one.")
    code = serializers.ChoiceField(choices=[(code, code) for code in FIELD_CODES])
    detail = TextField()


# The base of reports, to which each import adds `rows`. A docstring would describe it in the API.
class ImportOut(serializers.Serializer[Any]):
    saved = serializers.BooleanField(help_text="Whether anything was; false for a dry run.")
    counts = serializers.DictField(
        child=serializers.IntegerField(), help_text="How many rows have each outcome."
    )
    ignored_columns = serializers.ListField(child=TextField(allow_blank=True))


def skips_errors(request: Request) -> bool:
    """Whether valid rows are saved although others have errors. `partial` is the older name."""
    return read_flag(request, "skip_errors") or read_flag(request, "partial")


def line_errors(errors: Iterable[RowError]) -> list[FieldError]:
    """The errors as fields of the file: `line.<number>.<column>`."""
    return [
        FieldError(
            f"line.{error.line}.{error.column}" if error.column else f"line.{error.line}",
            error.code,
            error.reason,
        )
        for error in errors
    ]


def import_response(
    report: dict[str, Any], errors: Sequence[FieldError], *, is_dry_run: bool, location: str
) -> Response:
    """200 for a dry run, 201 when something was saved.

    Raises `ValidationFailed` with the same members when nothing was saved.
    """
    if is_dry_run:
        return Response(report)
    if report["saved"]:
        return Response(report, status=201, headers={"Location": location})
    nothing_new = FieldError("file", "invalid", "Nothing was saved: no row of the file is new.")
    raise ValidationFailed(*(errors or [nothing_new]), **report)
