from typing import ClassVar

from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import current_user
from config.api.openapi.schema import operation
from config.api.views import ApiView
from config.errors import PermissionDenied
from events.models import Event
from events.permissions import IsOrganizerOrStaff

from .. import services
from ..errors import TicketNotValid
from ..serializers import CheckInOut, CheckInUndoneOut, TicketIn


class Door(ApiView):
    """Where tickets are scanned, by who runs the event."""

    tag = "attendees"
    permission_classes = (IsAuthenticated, IsOrganizerOrStaff)
    staff_permissions: ClassVar[dict[str, str]] = {"POST": "registrations.change_registration"}

    def event(self, pk: int) -> Event:
        seen = Event.objects.visible_to(self.request.user, *self.needed_permissions)
        return self.found(seen, pk=pk)


class CheckInView(Door):
    @operation(
        "Check in",
        request=TicketIn,
        responses={200: CheckInOut},
        raises=[PermissionDenied, TicketNotValid],
    )
    def post(self, request: Request, pk: int) -> Response:
        """A second scan is no error: it tells when the first was."""
        event, user = self.event(pk), current_user(request)
        registration, before = services.check_in(event, **self.valid(TicketIn), by=user)
        shown = {"registration": registration, "already_checked_in": before}
        return Response(CheckInOut(shown, context=self.get_serializer_context()).data)


class CheckInUndoView(Door):
    @operation(
        "Undo a check-in",
        request=TicketIn,
        responses={200: CheckInUndoneOut},
        raises=[PermissionDenied, TicketNotValid],
    )
    def post(self, request: Request, pk: int) -> Response:
        event, user = self.event(pk), current_user(request)
        registration = services.undo_check_in(event, **self.valid(TicketIn), by=user)
        shown = {"registration": registration}
        return Response(CheckInUndoneOut(shown, context=self.get_serializer_context()).data)
