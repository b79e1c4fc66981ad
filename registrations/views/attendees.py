"""Routes of the attendee list and its exports."""

from typing import Any, ClassVar
from uuid import UUID

from django.http import StreamingHttpResponse
from django.utils import timezone
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.http.negotiation import OCTETS, file_type
from config.api.http.parameters import unknown_parameter
from config.api.key_scopes import Scope, Scopes
from config.api.openapi.schema import operation
from config.api.pagination.keyset import Ordering, orderings
from config.api.pagination.paginator import KeysetPagination, read_flag, read_ordering
from config.api.text.folding import alphabetical
from config.api.views import ListView
from config.errors import (
    FieldError,
    InsufficientScope,
    NotAuthenticated,
    NotFound,
    PermissionDenied,
    UnknownParameter,
    ValidationFailed,
)
from events.models import Event, Right
from events.permissions import IsOrganizerOrStaff
from events.views.access import EventAccess

from ..answer_filters import PREFIX, answers_with
from ..exports.formats import EXPORTS
from ..exports.statement import Options
from ..exports.streaming import StreamedPieces
from ..filters import AttendeeFilter, DoorFilter
from ..models import LedgerEntry, Registration, RegistrationQuerySet, admitted_people
from ..permissions import SeesAttendees, checks_in, sees_meeting, sees_people
from ..serializers import DoorRegistrationOut, LedgerEntryOut, PublicNameOut, RegistrationOut


class AttendeesView(EventAccess, ListView):
    """The attendees of one event, for its organizer and for staff."""

    tag = "attendees"
    permission_classes: Any = (IsAuthenticated, IsOrganizerOrStaff)
    staff_permissions: ClassVar[dict[str, str]] = {"GET": "registrations.view_registration"}
    needed_rights: ClassVar[dict[str, str]] = {"GET": Right.PEOPLE}
    key_scopes: ClassVar[dict[str, Scopes]] = {"GET": (Scope.REGISTRATIONS_READ,)}
    filter_backends = [DjangoFilterBackend]
    filterset_class = AttendeeFilter
    queryset = Registration.objects.none()  # for the OpenAPI document
    orderings = orderings(
        ("registered_at", Ordering("registered_at")),
        ("name", Ordering("name_key", expression=alphabetical("name"))),
        ("email", Ordering("email")),
    )

    def default_ordering(self, request: Request) -> str:
        return "registered_at"

    def known_parameters(self, method: str) -> frozenset[str]:
        """With all filters by answers. `with_answers` checks them against the form."""
        return super().known_parameters(method) | self.answers.keys()

    @property
    def answers(self) -> dict[str, str]:
        """The filters by answers."""
        request = getattr(self, "request", None)  # none where only the names are asked for
        parameters = request.query_params if request else {}
        return {name: parameters[name] for name in parameters if name.startswith(PREFIX)}

    def with_answers(self, event: Event, rows: RegistrationQuerySet) -> RegistrationQuerySet:
        """The rows with the answers of the filters. Raises the errors of `answers_with`."""
        answers = self.answers
        if not answers:
            return rows
        are_counted = _LIVE.issuperset(self.request.query_params.getlist("status"))
        return rows.filter(answers_with(event, answers, are_counted=are_counted))

    def refuse_answers(self) -> None:
        """Raises `UnknownParameter` for a filter by answers, which their readers alone may use."""
        answers = self.answers
        if answers:
            known = self.known_parameters("GET") - answers.keys()
            raise UnknownParameter(*(unknown_parameter(name, known) for name in answers))

    def event(self, pk: int) -> Event:
        return self.get_event_by_id(pk, lambda events: events.defer("search_vector"))


_LIVE = frozenset({Registration.Status.CONFIRMED, Registration.Status.WAITLISTED})

# Without the address, whose order would reveal it.
_DOOR_ORDERINGS = {
    name: ordering
    for name, ordering in AttendeesView.orderings.items()
    if name.lstrip("-") != "email"
}


# Names alone: the order of registering is not public.
_NAME_ORDERINGS = {
    name: ordering
    for name, ordering in AttendeesView.orderings.items()
    if name.lstrip("-") == "name"
}


class AttendeePagination(KeysetPagination):
    page_name = "AttendeePage"

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        page = super().get_paginated_response_schema(schema)
        number = {"type": "integer", "minimum": 0, "example": 12}
        page["properties"]["counts"] = {
            "type": "object",
            "required": ["confirmed", "waitlisted", "checked_in"],
            "description": "People of the whole event, whatever the filters; not in lists of "
            "names.",
            "properties": {"confirmed": number, "waitlisted": number, "checked_in": number},
        }
        return page


class AttendeeListView(AttendeesView):
    pagination_class = AttendeePagination
    needed_rights: ClassVar[dict[str, str]] = {"GET": Right.CHECKIN}
    key_scopes: ClassVar[dict[str, Scopes]] = {"GET": (Scope.REGISTRATIONS_READ, Scope.CHECKIN)}
    permission_classes = (SeesAttendees,)
    is_personal = True
    hides_meeting_url = False
    refusal: InsufficientScope | None = None

    def check_permissions(self, request: Request) -> None:
        """Keeps the refusal of a key for `SeesAttendees`: a list of names needs no scope."""
        try:
            super().check_permissions(request)
        except InsufficientScope as refusal:
            self.refusal = refusal

    @property
    def is_filtered(self) -> bool:
        """Whether the request has filters on people."""
        filters = AttendeeFilter.base_filters.keys()
        return bool(self.answers) or not filters.isdisjoint(self.request.query_params)

    def event(self, pk: int) -> Event:
        """Callers without an account or a scope learn nothing about hidden events."""
        try:
            return super().event(pk)
        except NotFound:
            if self.refusal is not None:
                raise self.refusal from None
            if not self.request.user.is_authenticated:
                raise NotAuthenticated from None
            raise

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "hides_meeting_url": self.hides_meeting_url}

    @operation(
        "List attendees",
        responses=RegistrationOut(many=True),
        raises=[NotAuthenticated, PermissionDenied],
    )
    def get(self, request: Request, pk: int) -> Response:
        """Lists confirmed and waitlisted attendees. `status` selects others.

        `answer.<key>` filters by the answer to a question, of the registrant or of a guest, such as
        `?answer.diet=vegan`.

        If `attendee_list` of the event is `names`, everybody gets the `name` of confirmed attendees
        with `show_name`, in alphabetical order and without filters.
        Callers who only check people in get `id`, `name`, `status`, `party_size` and
        `checked_in_at`, and search names alone.
        """
        event = self.event(pk)
        if self.refusal is not None or not checks_in(request, self, event):
            return self._names(event)
        self.hides_meeting_url = not sees_meeting(request.user, event)
        registrations = Registration.objects.filter(event=event)
        if sees_people(request, self, event):
            response = self._people(event, registrations)
        else:
            self.refuse_answers()
            self.filterset_class, self.orderings = DoorFilter, _DOOR_ORDERINGS
            response = self.page(registrations, DoorRegistrationOut)
        response.data["counts"] = {
            "confirmed": event.registered_count,
            "waitlisted": event.waitlist_count,
            "checked_in": admitted_people(event),
        }
        return response

    def _people(self, event: Event, registrations: RegistrationQuerySet) -> Response:
        if not self.answers:
            return self.cached_page(registrations.for_listing, RegistrationOut)
        # A cached page depends on nothing but the parameters, and these depend on the form too.
        return self.page(self.with_answers(event, registrations.for_listing()), RegistrationOut)

    def default_ordering(self, request: Request) -> str:
        return "name" if self.orderings is _NAME_ORDERINGS else super().default_ordering(request)

    def _names(self, event: Event) -> Response:
        self.filter_backends, self.orderings = [], _NAME_ORDERINGS
        rows = Registration.objects.filter(event=event).with_public_names()
        return self.page(rows, PublicNameOut)


class LedgerView(EventAccess, ListView):
    tag = "attendees"
    permission_classes = (IsAuthenticated, IsOrganizerOrStaff)
    staff_permissions: ClassVar[dict[str, str]] = {"GET": "registrations.view_registration"}
    needed_rights: ClassVar[dict[str, str]] = {"GET": Right.PEOPLE}
    key_scopes: ClassVar[dict[str, Scopes]] = {"GET": (Scope.REGISTRATIONS_READ,)}
    sends_etag = False
    pagination_class = KeysetPagination
    query_parameters = {"GET": frozenset({"registration"})}
    orderings = orderings(("id", Ordering("id")))

    def default_ordering(self, request: Request) -> str:
        return "id"

    @operation(
        "Read the ledger",
        parameters=[
            OpenApiParameter(
                "registration", OpenApiTypes.UUID, description="Only entries of this registration."
            )
        ],
        responses=LedgerEntryOut(many=True),
        raises=[PermissionDenied],
    )
    def get(self, request: Request, pk: int) -> Response:
        """Every change of state of every registration, the earliest first."""
        event = self.get_row(self.visible_events(pk), pk=pk)
        entries = LedgerEntry.objects.filter(event=event).select_related("actor", "key")
        registration_id = request.query_params.get("registration")
        if registration_id is not None:
            entries = entries.filter(registration=_read_uuid("registration", registration_id))
        return self.page(entries, LedgerEntryOut)


def _read_uuid(name: str, text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ValidationFailed(FieldError(name, "invalid", "Send a UUID.")) from None


_BY_MEDIA_TYPE = {export.media_type.partition(";")[0]: export for export in EXPORTS.values()}


class AttendeeExportView(AttendeesView):
    pagination_class = None
    sends_etag = False
    ignores_tracking = True
    formats = tuple(EXPORTS)
    media_types = (OCTETS, *_BY_MEDIA_TYPE)

    def known_parameters(self, method: str) -> frozenset[str]:
        names = {"bom", "raw", "ordering", "key", *self.filterset_class.base_filters}
        return frozenset(names | self.answers.keys())

    @operation(
        "Export attendees",
        parameters=[
            OpenApiParameter("format", str, enum=list(EXPORTS), description="Default: csv."),
            OpenApiParameter("bom", bool, description="Begin with a BOM, for old Excel."),
            OpenApiParameter("raw", bool, description="Do not guard formulas; for programs."),
            OpenApiParameter(
                "ordering",
                str,
                enum=list(AttendeesView.orderings),
                description="What the rows are sorted by; `-` is descending.",
            ),
        ],
        responses={
            # First, since client generators use the first response: a file, whatever its format.
            (200, OCTETS): OpenApiResponse(OpenApiTypes.BINARY, "Every row, streamed."),
            **{
                (200, media_type): OpenApiResponse(
                    export.schema,
                    examples=[OpenApiExample(export.name, export.example, media_type=media_type)]
                    if export.example
                    else [],
                )
                for media_type, export in _BY_MEDIA_TYPE.items()
            },
        },
        raises=[PermissionDenied],
        filters=True,
    )
    def get(self, request: Request, pk: int) -> StreamingHttpResponse:
        """The filters of the list apply. Times are in the time zone of the request.

        An event that takes or has parties has the columns `party_size`, `admitted_count` and
        `guests`. Each question of the event has a column `answers.<key>`. Several choices are
        separated by `; `, and are an array in JSON.
        """
        event = self.event(pk)
        export = EXPORTS[request.query_params.get("format", "csv")]
        rows: Any = self.filter_queryset(
            self.with_answers(event, Registration.objects.filter(event=event))
        )
        zone, options = timezone.get_current_timezone(), self._options(request)
        name = f"event-{event.pk}-attendees.{export.name}"
        return StreamingHttpResponse(
            StreamedPieces(export.pieces(event, rows, zone, options)),
            content_type=file_type(request, export.media_type),
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    def _options(self, request: Request) -> Options:
        return Options(
            ordering=read_ordering(request, self),
            bom=read_flag(request, "bom"),
            raw=read_flag(request, "raw"),
        )
