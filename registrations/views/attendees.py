from itertools import chain
from typing import Any

from django.db.models.functions import Lower
from django.http import StreamingHttpResponse
from django.utils import timezone
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.pagination import KeysetPagination, Ordering, orderings, read_flag, read_ordering
from config.api.schema import operation
from config.api.views import ListView
from config.errors import PermissionDenied
from events.models import Event
from events.permissions import IsOrganizerOrStaff

from ..exports import EXPORTS, Options
from ..filters import AttendeeFilter
from ..models import Registration
from ..serializers import RegistrationOut


class Attendees(ListView):
    """The people of one event, for who runs it."""

    permission_classes = (IsAuthenticated, IsOrganizerOrStaff)
    filter_backends = [DjangoFilterBackend]
    filterset_class = AttendeeFilter
    queryset = Registration.objects.none()  # for the OpenAPI document
    orderings = orderings(
        ("registered_at", Ordering("registered_at")),
        ("name", Ordering("name_key", expression=Lower("name"))),
        ("email", Ordering("email")),
    )

    def default_ordering(self, request: Request) -> str:
        return "registered_at"

    def event(self, pk: int) -> Event:
        return self.found(Event.objects.visible_to(self.request.user), pk=pk)


class AttendeeListView(Attendees):
    pagination_class = KeysetPagination

    @operation("List attendees", responses=RegistrationOut(many=True), raises=[PermissionDenied])
    def get(self, request: Request, pk: int) -> Response:
        """Confirmed and waitlisted; others with `status`."""
        registrations = Registration.objects.filter(event=self.event(pk))
        return self.page(registrations.for_display(), RegistrationOut)


class AttendeeExportView(Attendees):
    pagination_class = None
    sends_etag = False
    formats = tuple(EXPORTS)
    media_types = tuple(export.media_type.partition(";")[0] for export in EXPORTS.values())

    def known_parameters(self, method: str) -> frozenset[str]:
        return frozenset({"bom", "raw", "ordering", *self.filterset_class.base_filters})

    @operation(
        "Export attendees",
        parameters=[
            OpenApiParameter("format", str, enum=list(EXPORTS), description="Default: csv."),
            OpenApiParameter("bom", bool, description="Begin with a BOM, for old Excel."),
            OpenApiParameter("raw", bool, description="Guard no formulas; for machines."),
            OpenApiParameter("ordering", str, enum=list(Attendees.orderings)),
        ],
        responses={
            (200, export.media_type.partition(";")[0]): OpenApiResponse(
                OpenApiTypes.STR, "Every row, streamed."
            )
            for export in EXPORTS.values()
        },
        raises=[PermissionDenied],
        filters=True,
    )
    def get(self, request: Request, pk: int) -> StreamingHttpResponse:
        """The list's filters apply; times are told in the request's zone."""
        event = self.event(pk)
        export = EXPORTS[request.query_params.get("format", "csv")]
        rows: Any = self.filter_queryset(Registration.objects.filter(event=event))
        options = Options(
            ordering=read_ordering(request, self),
            bom=read_flag(request, "bom"),
            raw=read_flag(request, "raw"),
        )
        name = f"event-{event.pk}-attendees.{export.name}"
        pieces = export.pieces(event, rows, timezone.get_current_timezone(), options)
        first = next(pieces)  # what can go wrong does so here, while it can still be told
        return StreamingHttpResponse(
            chain([first], pieces),
            content_type=export.media_type,
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )
