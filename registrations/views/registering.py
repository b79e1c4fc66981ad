"""Registering for an event."""

from typing import Any, ClassVar

from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.http.negotiation import to_json
from config.api.http.throttling import count_guest
from config.api.key_scopes import Scope, Scopes, covers_event
from config.api.openapi.schema import operation
from config.errors import PermissionDenied, ValidationFailed
from config.fast_path.request import Answer, PlainRequest
from events.errors import EventCancelled, EventNotPublished, EventStarted
from events.views.access import EventAccess

from .. import services
from ..errors import (
    AlreadyRegistered,
    CodeInvalid,
    CodeRequired,
    CodeUsedUp,
    EventFull,
    FormChanged,
    OptionFull,
    PartyTooLarge,
    RegistrationClosed,
    RegistrationNotOpen,
    RegistrationRejected,
)
from ..models import AddressConfirmation, Registration
from ..serializers import (
    NewRegistrationOut,
    RegisterIn,
    parse_simple_guest,
    render_new_registration,
)
from ..serializers.admission import UnconfirmedOut


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
