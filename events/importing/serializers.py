"""The upload and the report of an import, in request and response bodies."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from config.api.fields import TextField
from config.api.files.import_reports import ImportOut, RowNoteOut, line_errors

from .reports import OUTCOMES, Report

EXAMPLE_FILE = "name,location,start_time\r\nChess club,Town library,2032-03-15T18:00:00\r\n"
EXAMPLE_CALENDAR = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Example//EN\r\nBEGIN:VEVENT\r\n"
    "UID:chess@example.org\r\nDTSTART;TZID=Europe/Berlin:20320315T180000\r\n"
    "SUMMARY:Chess club\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


class EventFileIn(serializers.Serializer[Any]):
    file = serializers.FileField(allow_empty_file=True, help_text="CSV, XLSX or iCalendar.")


class EventRowNoteOut(RowNoteOut):
    pass


class EventImportRowOut(serializers.Serializer[Any]):
    line = serializers.IntegerField(min_value=1, help_text="Of the file, where the row begins.")
    name = TextField(allow_blank=True)
    outcome = serializers.ChoiceField(choices=[(outcome, outcome) for outcome in OUTCOMES])
    event = serializers.IntegerField(
        allow_null=True, help_text="The first of its events. Null if nothing was saved."
    )
    series = serializers.IntegerField(allow_null=True, help_text="Of a row that recurs.")
    occurrences = serializers.IntegerField(help_text="The number of events of a row that recurs.")
    errors: Any = EventRowNoteOut(many=True, help_text="Of a refused row.")
    notes: Any = EventRowNoteOut(many=True, help_text="The parts of the row that are not imported.")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "One of two, with `skip_errors`",
            {
                "saved": True,
                "counts": {
                    "created": 1,
                    "updated": 0,
                    "cancelled": 0,
                    "unchanged": 0,
                    "refused": 1,
                },
                "ignored_columns": ["speaker"],
                "rows": [
                    {
                        "line": 2,
                        "name": "Chess club",
                        "outcome": "created",
                        "event": 1,
                        "series": None,
                        "occurrences": 0,
                        "errors": [],
                        "notes": [],
                    },
                    {
                        "line": 3,
                        "name": "",
                        "outcome": "refused",
                        "event": None,
                        "series": None,
                        "occurrences": 0,
                        "errors": [
                            {
                                "field": "line.3.name",
                                "code": "required",
                                "detail": "The cell is empty.",
                            }
                        ],
                        "notes": [],
                    },
                ],
            },
        )
    ]
)
class EventImportOut(ImportOut):
    rows = EventImportRowOut(many=True, help_text="Every row of the file, in its order.")

    def to_representation(self, report: Report) -> dict[str, Any]:
        return {
            "saved": report.saved,
            "counts": report.count(),
            "ignored_columns": self.context["ignored_columns"],
            "rows": [
                {
                    "line": row.line,
                    "name": row.name[:200],
                    "outcome": row.outcome,
                    "event": row.event.pk if row.event and report.saved else None,
                    "series": row.series.pk if row.series and report.saved else None,
                    "occurrences": row.occurrences,
                    "errors": [error.as_dict() for error in line_errors(row.errors)],
                    "notes": [note.as_dict() for note in line_errors(row.notes)],
                }
                for row in report.results
            ],
        }
