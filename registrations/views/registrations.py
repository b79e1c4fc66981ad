"""Registrations that exist: read, edited, cancelled, their tickets, and one's own list."""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import F
from django.http import HttpResponse
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import current_user
from accounts.models import User
from config.api.http.dry_runs import can_run_dry
from config.api.http.negotiation import OCTETS, file_type
from config.api.http.strict_bodies import NoFields
from config.api.http.throttling import count_caller
from config.api.key_scopes import Scope, Scopes, key_of
from config.api.openapi.schema import operation
from config.api.pagination.keyset import Ordering, orderings
from config.api.pagination.paginator import KeysetPagination
from config.api.text.folding import alphabetical
from config.api.views import ApiView, ListView, file_response
from config.errors import PermissionDenied
from events.errors import EventCancelled, EventStarted

from .. import services
from ..errors import (
    AlreadyRegistered,
    CancellationClosed,
    EventFull,
    OptionFull,
    PartyCannotGrow,
    PartyTooLarge,
    RegistrationCancelled,
    RegistrationClosed,
    RegistrationNotOpen,
    RegistrationRejected,
)
from ..filters import OwnRegistrationFilter
from ..models import Registration
from ..permissions import ManagesRegistration, reads_registrations, sees_meeting
from ..serializers import (
    EditedRegistrationOut,
    NewRegistrationOut,
    RegistrationEditIn,
    RegistrationOut,
    short_registration,
)
from ..tickets import is_manage_token, ticket_png, ticket_svg
from .dry_runs import observe_registration

TOKEN = OpenApiParameter("token", str, description="The manage_token of a guest's registration.")


class SingleRegistrationView(ApiView):
    """One registration, for its people by sign-in and for a guest by `?token=`."""

    permission_classes = (ManagesRegistration,)
    staff_permissions: ClassVar[dict[str, str]] = {
        "GET": "registrations.view_registration",
        **dict.fromkeys(("PATCH", "DELETE", "POST"), "registrations.change_registration"),
    }
    key_scopes: ClassVar[dict[str, Scopes]] = {
        "GET": (Scope.REGISTRATIONS_READ,),
        **dict.fromkeys(("PATCH", "DELETE", "POST"), (Scope.REGISTRATIONS_WRITE,)),
    }
    is_personal = True
    hides_meeting_url = False

    def known_parameters(self, method: str) -> frozenset[str]:
        return frozenset({"token"})

    def check_replay(self, **kwargs: Any) -> None:
        self.registration(kwargs["pk"])

    def registration(self, pk: UUID) -> Registration:
        rows = Registration.objects.for_display()
        token = self.request.query_params.get("token")
        if token:
            row = rows.opened_by_link().filter(pk=pk).first()
            if row is not None and is_manage_token(token, pk, row.link_version):
                return row
        viewer = self.request.user
        visible_rows = rows.visible_to(viewer, *self.needed_permissions)
        registration: Registration = self.get_row(visible_rows, pk=pk)
        people = {registration.user_id, registration.registered_by_id}
        is_own = key_of(viewer) is None and viewer.pk in people
        self.hides_meeting_url = not is_own and not sees_meeting(viewer, registration.event)
        return registration

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "hides_meeting_url": self.hides_meeting_url}

    @property
    def viewer(self) -> User | None:
        """None for a guest with a token."""
        return self.request.user if self.request.user.is_authenticated else None


def _count_register(request: Request) -> None:
    count_caller("register", request)


class RegistrationView(SingleRegistrationView):
    sends_etag = True
    shown_elsewhere = (NewRegistrationOut,)

    @operation("Read a registration", parameters=[TOKEN], responses=RegistrationOut)
    def get(self, request: Request, pk: UUID) -> Response:
        return self._response(self.registration(pk))

    @can_run_dry(observe_registration, count=_count_register)  # whether an address is registered
    @operation(
        "Edit a registration",
        parameters=[TOKEN],
        request=RegistrationEditIn,
        responses=EditedRegistrationOut,
        raises=[
            PermissionDenied,
            EventCancelled,
            EventStarted,
            CancellationClosed,
            RegistrationCancelled,
            RegistrationRejected,
            RegistrationClosed,
            RegistrationNotOpen,
            AlreadyRegistered,
            PartyTooLarge,
            PartyCannotGrow,
            OptionFull,
            EventFull,
        ],
    )
    def patch(self, request: Request, pk: UUID) -> Response:
        """Corrects the name, also on a full event.

        Another `email` corrects the address or hands the registration on. The seat or the place in
        the queue stays. The ticket and `manage_token` are new and are sent to the new address only;
        the old ones become invalid at once. A user's registration leaves the account.

        A smaller `party_size` frees seats, until cancelling closes; not below the number who are
        checked in. A larger one takes seats while registration is open, if they are free and nobody
        waits. On the waitlist a party can only shrink. `guests` replaces the guests that are named;
        shrinking removes surplus ones from the end.

        `answers` changes those that are sent, by key; null removes one. Only these are checked. An
        answer that hides a question removes its answer.

        A key without `registrations:read` gets `id`, `status` and `party_size`.
        """
        registration = self.registration(pk)
        changes = self.valid(RegistrationEditIn, partial=True)
        if changes.get("email", registration.email) != registration.email:
            count_caller("register", request)
        is_handed_on = services.edit_registration(registration, **changes, by=self.viewer)
        response = self._response(registration)
        if is_handed_on and "ticket_code" in response.data:
            response.data["ticket_code"] = None
        return response

    @can_run_dry(observe_registration)
    @operation(
        "Cancel a registration",
        parameters=[TOKEN],
        responses={204: None},
        raises=[PermissionDenied, EventStarted, CancellationClosed, RegistrationRejected],
    )
    def delete(self, request: Request, pk: UUID) -> Response:
        """Frees the seat for the first on the waitlist. A cancellation is final.

        After `cancellation_closes_at` of the event, attendees with a seat can no longer cancel.
        """
        services.cancel_registration(self.registration(pk), by=self.viewer)
        return Response(status=204)

    def _response(self, registration: Registration) -> Response:
        if not reads_registrations(self.request):
            return Response(short_registration(registration))
        return Response(RegistrationOut(registration, context=self.get_serializer_context()).data)


class ResendView(SingleRegistrationView):
    @operation(
        "Send the confirmation of a registration again",
        operation_id="resendRegistrationConfirmation",
        parameters=[TOKEN],
        request=None,
        responses={202: None},
        raises=[PermissionDenied, RegistrationCancelled, RegistrationRejected],
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Queues the e-mail with ticket and link. Earlier links stay valid."""
        registration = self.registration(pk)
        self.valid(NoFields)
        services.send_confirmation_again(registration)
        return Response(status=202)


class TicketSvgView(SingleRegistrationView):
    formats = ("svg",)
    ignores_tracking = True
    media_types = ("image/svg+xml", OCTETS)

    @operation(
        "Get the ticket as SVG",
        operation_id="readTicketSvg",
        parameters=[TOKEN],
        responses={
            (200, "image/svg+xml"): OpenApiResponse(
                OpenApiTypes.STR,
                "A QR symbol.",
                examples=[
                    OpenApiExample(
                        "Ticket",
                        '<svg xmlns="http://www.w3.org/2000/svg" width="330" height="330"/>',
                        media_type="image/svg+xml",
                    )
                ],
            ),
            (200, OCTETS): OpenApiTypes.BINARY,
        },
    )
    def get(self, request: Request, pk: UUID) -> HttpResponse:
        code = self.registration(pk).ticket_code
        media_type = file_type(request, "image/svg+xml")
        return file_response(ticket_svg(code), media_type, f"ticket-{code}.svg")


class TicketPngView(SingleRegistrationView):
    formats = ("png",)
    ignores_tracking = True
    media_types = ("image/png", OCTETS)

    @operation(
        "Get the ticket as PNG",
        operation_id="readTicketPng",
        parameters=[TOKEN],
        responses={
            (200, "image/png"): OpenApiResponse(OpenApiTypes.BINARY, "A QR symbol."),
            (200, OCTETS): OpenApiTypes.BINARY,
        },
    )
    def get(self, request: Request, pk: UUID) -> HttpResponse:
        code = self.registration(pk).ticket_code
        media_type = file_type(request, "image/png")
        return file_response(ticket_png(code), media_type, f"ticket-{code}.png")


class OwnRegistrationListView(ListView):
    permission_classes = (IsAuthenticated,)
    filter_backends = [DjangoFilterBackend]
    filterset_class = OwnRegistrationFilter
    pagination_class = KeysetPagination
    queryset = Registration.objects.none()  # for the OpenAPI document
    orderings = orderings(
        ("start_time", Ordering("start_time", expression=F("event__start_time"))),
        ("created_at", Ordering("event_created_at", expression=F("event__created_at"))),
        ("name", Ordering("event_name", expression=alphabetical("event__name"))),
        ("registered_at", Ordering("registered_at")),
    )

    def default_ordering(self, request: Request) -> str:
        return "start_time"

    @operation("List my registrations", responses=RegistrationOut(many=True))
    def get(self, request: Request) -> Response:
        """My registrations and those that I made for others, cancelled and past ones too."""
        rows = Registration.objects.managed_by(current_user(request)).for_listing()
        return self.page(rows, RegistrationOut)
