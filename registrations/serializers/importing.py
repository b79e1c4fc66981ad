from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from config.api.fields import TextField
from config.api.files.import_reports import ImportOut, RowNoteOut

from ..services.bulk import OUTCOMES, ImportReport

EXAMPLE_FILE = "name,email\r\nBob,bob@example.com\r\nZoë,zoe@example\r\n"


class AttendeeFileIn(serializers.Serializer[Any]):
    file = serializers.FileField(allow_empty_file=True, help_text="CSV or XLSX.")


class AttendeeRowErrorOut(RowNoteOut):
    pass


class AttendeeRowOut(serializers.Serializer[Any]):
    line = serializers.IntegerField(min_value=1, help_text="The line at which the row begins.")
    email = TextField(allow_blank=True)
    outcome = serializers.ChoiceField(choices=[(outcome, outcome) for outcome in OUTCOMES])
    waitlist_position = serializers.IntegerField(allow_null=True)
    registration_id = serializers.UUIDField(allow_null=True, help_text="Null in a dry run.")
    errors: Any = AttendeeRowErrorOut(many=True, help_text="Errors of a refused row.")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "One of two, with `skip_errors`",
            {
                "saved": True,
                "counts": {
                    "confirmed": 1,
                    "waitlisted": 0,
                    "already_registered": 0,
                    "cancelled": 0,
                    "refused": 1,
                },
                "ignored_columns": [],
                "rows": [
                    {
                        "line": 2,
                        "email": "bob@example.com",
                        "outcome": "confirmed",
                        "waitlist_position": None,
                        "registration_id": "5f0c7b1e-6a52-4d1c-9a3e-0d9c5a4e7f10",
                        "errors": [],
                    },
                    {
                        "line": 3,
                        "email": "zoe@example",
                        "outcome": "refused",
                        "waitlist_position": None,
                        "registration_id": None,
                        "errors": [
                            {
                                "field": "line.3.email",
                                "code": "invalid",
                                "detail": "Enter a valid email address.",
                            }
                        ],
                    },
                ],
            },
        )
    ]
)
class AttendeeImportOut(ImportOut):
    rows = AttendeeRowOut(many=True, help_text="Every row of the file, in its order.")

    def to_representation(self, report: ImportReport) -> dict[str, Any]:
        return {
            "saved": report.saved,
            "counts": report.count(),
            "ignored_columns": self.context["ignored_columns"],
            "rows": [
                {
                    "line": row.line,
                    "email": row.email,
                    "outcome": row.outcome,
                    "waitlist_position": row.position,
                    "registration_id": row.registration_id,
                    "errors": [error.as_dict() for error in row.errors],
                }
                for row in report.rows
            ],
        }
