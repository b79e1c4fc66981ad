from typing import Any, ClassVar
from uuid import UUID

from django.db.models import F
from django.http import HttpResponse
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import current_user
from accounts.models import User
from config.api.http.dry_runs import can_run_dry
from config.api.http.negotiation import OCTETS, file_type, to_json
from config.api.http.strict_bodies import NoFields
from config.api.http.throttling import count_caller, count_guest
from config.api.key_scopes import Scope, Scopes, covers_event, key_of
from config.api.openapi.schema import operation
from config.api.pagination.keyset import Ordering, orderings
from config.api.pagination.paginator import KeysetPagination
from config.api.text.folding import alphabetical
from config.api.views import ApiView, ListView, file_response
from config.errors import PermissionDenied, ValidationFailed
from config.fast_path.request import Answer, PlainRequest
from events.errors import EventCancelled, EventNotPublished, EventStarted
from events.views.access import EventAccess

from .. import services
from ..errors import (
    AlreadyRegistered,
    CancellationClosed,
    CodeInvalid,
    CodeRequired,
    CodeUsedUp,
    EventFull,
    FormChanged,
    OptionFull,
    PartyCannotGrow,
    PartyTooLarge,
    RegistrationCancelled,
    RegistrationClosed,
    RegistrationNotOpen,
    RegistrationRejected,
)
from ..filters import OwnRegistrationFilter
from ..models import AddressConfirmation, Registration
from ..permissions import ManagesRegistration, reads_registrations, sees_meeting
from ..serializers import (
    EditedRegistrationOut,
    NewRegistrationOut,
    RegisterIn,
    RegistrationEditIn,
    RegistrationOut,
    parse_simple_guest,
    render_new_registration,
    short_registration,
)
from ..serializers.admission import UnconfirmedOut
from ..tickets import is_manage_token, ticket_png, ticket_svg
from .dry_runs import observe_registration

TOKEN = OpenApiParameter("token", str, description="The manage_token of a guest's registration.")


class RegisterView(EventAccess):
    permission_classes = (AllowAny,)
    key_scopes: ClassVar[dict[str, Scopes]] = {"POST": (Scope.REGISTRATIONS_WRITE,)}
    throttle_scopes = {"POST": "register"}
    sends_etag = True

    @operation(
        "Register for an event",
        request=RegisterIn,
        responses={201: NewRegistrationOut, 202: UnconfirmedOut},
        raises=[
            EventCancelled,
            EventNotPublished,
            EventStarted,
            RegistrationNotOpen,
            RegistrationClosed,
            CodeRequired,
            CodeInvalid,
            AlreadyRegistered,
            RegistrationRejected,
            FormChanged,
            PartyTooLarge,
            OptionFull,
            CodeUsedUp,
            EventFull,
        ],
    )
    def post(self, request: Request, pk: int) -> Response:
        """A seat when one is free (`confirmed`), else a place in the queue (`waitlisted`).

        A party gets seats for all of its `party_size` people, or one place in the queue.

        By the event's `registration_mode`, guests first confirm their address by a link in an
        e-mail (202), the organizer decides (`pending`), or a `code` is needed. The organizer's own
        requests pass every mode.

        `answers` are for the questions of the event (`GET …/form/`); those that are hidden by
        `show_if` are dropped. An answer takes one of an option's limit, for the whole party.

        Guests send a name and an address, and receive a `manage_token`. A signed-in caller may send
        an empty body; another address makes a guest registration that the caller manages.
        An address that an account has confirmed makes a registration of that account: only its
        owner receives the ticket, the `meeting_url` and the link, by mail.
        """
        if not covers_event(request.user, pk):
            self.get_row(self.visible_events(pk), pk=pk)
            raise PermissionDenied("The key does not extend to this event.")
        try:
            data = self.valid(RegisterIn)
        except ValidationFailed:
            # For an event that is hidden from the caller, 404 takes precedence over a bad body.
            self.get_row(self.visible_events(pk), pk=pk)
            raise
        caller = request.user if request.user.is_authenticated else None
        made = services.register_caller(pk, caller, **data, is_opened=self.has_key_of(pk))
        site = request.build_absolute_uri("/").rstrip("/")
        status, body, headers = registration_response(made, caller_id=request.user.pk, site=site)
        return Response(body, status=status, headers=headers)


def register_guest(request: PlainRequest, event_id: int) -> Answer | None:
    """`RegisterView.post` for a simple body of a guest; None leaves the request to the view."""
    if request.query or request.META.get("CONTENT_TYPE") != "application/json":
        return None
    guest = parse_simple_guest(request.body())
    if guest is None:
        return None
    count_guest("register", request)
    name, email = guest
    made = services.register_caller(event_id, None, name=name, email=email)
    status, body, headers = registration_response(made, caller_id=None, site=request.site)
    return Answer(status, to_json(body), headers)


def registration_response(
    made: Registration | AddressConfirmation, *, caller_id: int | None, site: str
) -> tuple[int, dict[str, Any], dict[str, str]]:
    """The status, the body and the headers of the response to a registration.

    `caller_id` is the caller's account, None for a guest. `site` is the scheme and host of links.
    """
    if isinstance(made, AddressConfirmation):
        return (
            202,
            UnconfirmedOut({"status": "unconfirmed", "expires_at": made.expires_at}).data,
            {},
        )
    body = render_new_registration(made, caller_id=caller_id)
    return 201, body, {"Location": f"{site}/api/registrations/{made.pk}/"}


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
