from io import BytesIO
from typing import Any, BinaryIO, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiRequest
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import current_user
from config.api.pagination import read_flag
from config.api.schema import operation
from config.api.views import ApiView
from config.errors import PermissionDenied
from events.errors import EventCancelled, EventNotPublished, EventStarted
from events.models import Event
from events.permissions import IsOrganizerOrStaff

from .. import services
from ..importing import read_attendees
from ..serializers import EXAMPLE_FILE, AttendeeFileIn, AttendeeImportOut


class CsvParser(BaseParser):
    """The body itself is the file."""

    media_type = "text/csv"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        return BytesIO(stream.read())


class AttendeeImportView(ApiView):
    tag = "attendees"
    permission_classes = (IsAuthenticated, IsOrganizerOrStaff)
    parser_classes = (CsvParser, MultiPartParser)
    query_parameters: ClassVar[dict[str, frozenset[str]]] = {
        "POST": frozenset({"dry_run", "notify", "partial"})
    }

    @operation(
        "Import attendees",
        parameters=[
            OpenApiParameter("dry_run", bool, description="Tell what would be; save nothing."),
            OpenApiParameter("notify", bool, description="Send mails to them. Default: true."),
            OpenApiParameter("partial", bool, description="Save the good rows beside bad ones."),
        ],
        request={
            "text/csv": OpenApiRequest(
                OpenApiTypes.STR, examples=[OpenApiExample("File", EXAMPLE_FILE)]
            ),
            "multipart/form-data": OpenApiRequest(
                AttendeeFileIn, examples=[OpenApiExample("Form", {"file": EXAMPLE_FILE})]
            ),
        },
        responses={200: AttendeeImportOut, 201: AttendeeImportOut},
        raises=[PermissionDenied, EventCancelled, EventNotPublished, EventStarted],
    )
    def post(self, request: Request, pk: int) -> Response:
        """A CSV file (RFC 4180, UTF-8), as the body or as `file` of a form, of up to 10,000 rows.

        Its first line names the columns: `name`, `email` and, if you like, `status`; others are
        ignored, so an export can be read back. Rows have their turn in the order of the file, as
        if they registered one after the other, whether or not registration is open yet: a seat,
        else a place in the queue where the event has one. Addresses that are there already keep
        their place (`already_registered`), rows whose status is `cancelled` get none.

        All or nothing: one row that is bad or finds no place (`event_full`) and nothing is saved;
        `errors` names them all as `line.<number>.<column>`. With `partial` the others are saved.
        """
        event = self.found(Event.objects.visible_to(request.user), pk=pk)
        is_dry_run = read_flag(request, "dry_run")
        file = read_attendees(self._file(request))
        report = services.import_attendees(
            event.pk,
            file.rows,
            by=current_user(request),
            partial=read_flag(request, "partial"),
            dry_run=is_dry_run,
            notify=read_flag(request, "notify", default=True),
        )
        context = {"ignored_columns": file.ignored_columns}
        shown = AttendeeImportOut(report, context=context).data
        if is_dry_run:
            return Response(shown)
        location = request.build_absolute_uri(f"/api/events/{pk}/attendees/")
        return Response(shown, status=201, headers={"Location": location})

    def _file(self, request: Request) -> BinaryIO:
        given: Any = request.data
        if isinstance(given, BytesIO):
            return given
        return BytesIO(self.valid(AttendeeFileIn)["file"].read())
