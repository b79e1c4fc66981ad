"""Routes that import events from lists and calendars."""

from typing import Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiRequest
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import current_user
from accounts.models import User
from config.api.files.csv_rows import ImportRefused
from config.api.files.import_reports import import_response, line_errors, skips_errors
from config.api.files.uploads import (
    TABLE_TYPES,
    XLSX,
    Upload,
    file_error,
    file_parsers,
    read_upload,
)
from config.api.http.work_slots import ROWS
from config.api.key_scopes import Scope, Scopes
from config.api.openapi.schema import operation
from config.api.pagination.paginator import read_flag
from config.api.views import ApiView
from config.errors import TemporarilyUnavailable

from ..errors import OrganizerRoleRequired
from ..importing import ImportRunning, Report, import_rows, read_events
from ..importing.serializers import EXAMPLE_CALENDAR, EXAMPLE_FILE, EventFileIn, EventImportOut
from ..permissions import MayOrganize

MAX_ROWS = 10_000
MAX_EVENTS = 10_000  # with all that recurs
MAX_RULE_SECONDS = 10


class EventImportView(ApiView):
    permission_classes = (MayOrganize,)
    parser_classes = file_parsers("text/calendar", *TABLE_TYPES)
    query_parameters: ClassVar[dict[str, frozenset[str]]] = {
        "POST": frozenset({"dry_run", "partial", "skip_errors"})
    }
    key_scopes: ClassVar[dict[str, Scopes]] = {"POST": (Scope.EVENTS_WRITE,)}
    throttle_scopes: ClassVar[dict[str, str]] = {"POST": "import"}

    @operation(
        "Import events",
        parameters=[
            OpenApiParameter("dry_run", bool, description="Report the result; save nothing."),
            OpenApiParameter("skip_errors", bool, description="Save the valid rows."),
            OpenApiParameter("partial", bool, description="The older name of `skip_errors`."),
        ],
        request={
            "text/csv": OpenApiRequest(
                OpenApiTypes.STR, examples=[OpenApiExample("File", EXAMPLE_FILE)]
            ),
            "text/calendar": OpenApiRequest(
                OpenApiTypes.STR, examples=[OpenApiExample("Calendar", EXAMPLE_CALENDAR)]
            ),
            XLSX: OpenApiRequest(OpenApiTypes.BINARY),
            "multipart/form-data": OpenApiRequest(
                EventFileIn, examples=[OpenApiExample("Form", {"file": EXAMPLE_FILE})]
            ),
        },
        responses={200: EventImportOut, 201: EventImportOut},
        raises=[OrganizerRoleRequired],
    )
    def post(self, request: Request) -> Response:
        """Events of the caller from a CSV file, the first sheet of an XLSX file, or a calendar.

        The file is the body or `file` of a form, with at most 10,000 rows. Columns are the fields
        of an event in any letter case, and `url`, which is added to the description. Columns and
        properties that are not read are in `ignored_columns`, and the effects on a row are in its
        `notes`. Past events can be imported. A category must exist.

        An entry of a calendar that recurs becomes a series. A row that was imported before is
        `unchanged`. An entry with a higher `SEQUENCE` updates its event, or cancels it, and the
        attendees are notified, unless the event was edited here since. A private entry becomes a
        draft.

        If one row is invalid, nothing is saved, and `errors` lists all faults as
        `line.<number>.<column>`. With `skip_errors`, the valid rows are saved. If nothing is saved,
        the response is 400, a problem document with the members of the report.
        """
        organizer = current_user(request)
        is_dry_run = read_flag(request, "dry_run")
        upload = read_upload(request, lambda: self.valid(EventFileIn))
        skips = skips_errors(request)
        with ROWS.one():
            report, ignored = _imported(upload, organizer, dry_run=is_dry_run, skip_errors=skips)
        body: Any = EventImportOut(report, context={"ignored_columns": ignored}).data
        location = request.build_absolute_uri("/api/me/events/")
        errors = line_errors(report.errors)
        return import_response(body, errors, is_dry_run=is_dry_run, location=location)


def _imported(
    upload: Upload, organizer: User, *, dry_run: bool, skip_errors: bool
) -> tuple[Report, list[str]]:
    """The report and the ignored columns. Raises `ValidationFailed`."""
    try:
        table = read_events(
            upload.content,
            charset=upload.charset,
            organizer_zone=organizer.timezone,
            max_rows=MAX_ROWS,
        )
        report = import_rows(
            table.rows,
            organizer,
            dry_run=dry_run,
            skip_errors=skip_errors,
            creates_categories=False,
            max_events=MAX_EVENTS,
            max_rule_seconds=MAX_RULE_SECONDS,
        )
        if not report.results:
            raise ImportRefused("The file has no rows.", "min_length")
    except ImportRunning as refusal:
        raise TemporarilyUnavailable(str(refusal), retry_after=2) from refusal
    except ImportRefused as refusal:
        raise file_error(refusal) from refusal
    return report, table.ignored_columns
