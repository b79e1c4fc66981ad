from typing import Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiRequest
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import current_user
from config.api.files.import_reports import import_response, skips_errors
from config.api.files.uploads import TABLE_TYPES, XLSX, file_parsers, read_upload
from config.api.http.work_slots import ROWS
from config.api.key_scopes import Scope, Scopes
from config.api.openapi.schema import operation
from config.api.pagination.paginator import read_flag
from config.errors import PermissionDenied
from events.errors import EventCancelled, EventNotPublished, EventStarted
from events.models import Right
from events.permissions import IsOrganizerOrStaff
from events.views.access import EventAccess

from .. import services
from ..forms.questions import questions_of
from ..importing import read_attendees
from ..serializers import EXAMPLE_FILE, AttendeeFileIn, AttendeeImportOut


class AttendeeImportView(EventAccess):
    tag = "attendees"
    permission_classes = (IsAuthenticated, IsOrganizerOrStaff)
    staff_permissions: ClassVar[dict[str, str]] = {"POST": "registrations.add_registration"}
    needed_rights: ClassVar[dict[str, str]] = {"POST": Right.PEOPLE}
    key_scopes: ClassVar[dict[str, Scopes]] = {"POST": (Scope.REGISTRATIONS_WRITE,)}
    parser_classes = file_parsers(*TABLE_TYPES)
    query_parameters: ClassVar[dict[str, frozenset[str]]] = {
        "POST": frozenset({"dry_run", "notify", "partial", "skip_errors"})
    }
    throttle_scopes: ClassVar[dict[str, str]] = {"POST": "import"}

    @operation(
        "Import attendees",
        parameters=[
            OpenApiParameter("dry_run", bool, description="Report only; save nothing."),
            OpenApiParameter("notify", bool, description="Send e-mails to them. Default: true."),
            OpenApiParameter("skip_errors", bool, description="Save the good rows."),
            OpenApiParameter("partial", bool, description="The older name of `skip_errors`."),
        ],
        request={
            "text/csv": OpenApiRequest(
                OpenApiTypes.STR, examples=[OpenApiExample("File", EXAMPLE_FILE)]
            ),
            XLSX: OpenApiRequest(OpenApiTypes.BINARY),
            "multipart/form-data": OpenApiRequest(
                AttendeeFileIn, examples=[OpenApiExample("Form", {"file": EXAMPLE_FILE})]
            ),
        },
        responses={200: AttendeeImportOut, 201: AttendeeImportOut},
        raises=[PermissionDenied, EventCancelled, EventNotPublished, EventStarted],
    )
    def post(self, request: Request, pk: int) -> Response:
        """A CSV file or the first sheet of an XLSX file, as the body or as `file` of a form.

        At most 10,000 rows. The first line names the columns in any letter case: `name` (or
        `first name` and `last name`), `email` and, if you like, `status` or `rsvp`, `party_size`,
        `guests` (JSON, as in an export) and `admitted_count`. Other columns are ignored and listed,
        so an export can be imported.
        CSV is separated by commas, semicolons, tabs or `|`, in UTF-8, UTF-16 with a byte order
        mark, or the `charset` of the `Content-Type`.

        Rows are registered in the order of the file, whether or not registration is open: each
        takes a seat, else a place in the queue if the event has one. An address that is already
        registered keeps its place (`already_registered`). Rows whose status is `cancelled`,
        `declined` or `no` are reported as `cancelled` and not registered.

        **Nobody is checked in by an import**, since the list may be that of another event. A cell
        of `admitted_count` has to be a whole number from 0 to the size of the party, and is not
        taken over.

        A column `answers.<key>` has the answers to a question; several choices are separated by
        semicolons. Required questions may stay open.

        All or nothing: if one row is invalid or gets no place (`event_full`), nothing is saved,
        and `errors` lists all errors as `line.<number>.<column>`. With `skip_errors` the other rows
        are saved. When nothing was saved the response is 400, a problem document with the members
        of the report.
        """
        event = self.get_row(self.visible_events(pk), pk=pk)
        options, user = _options(request), current_user(request)
        upload = read_upload(request, lambda: self.valid(AttendeeFileIn))
        with ROWS.one():
            questions = questions_of(event.form)
            file = read_attendees(upload.content, upload.charset, questions=questions)
            report = services.import_attendees(event.pk, file.rows, by=user, **options)
        context = {"ignored_columns": file.ignored_columns}
        body: Any = AttendeeImportOut(report, context=context).data
        location = request.build_absolute_uri(f"/api/events/{pk}/attendees/")
        is_dry_run = options["dry_run"]
        return import_response(body, report.errors(), is_dry_run=is_dry_run, location=location)


def _options(request: Request) -> dict[str, bool]:
    return {
        "partial": skips_errors(request),
        "dry_run": read_flag(request, "dry_run"),
        "notify": read_flag(request, "notify", default=True),
    }
