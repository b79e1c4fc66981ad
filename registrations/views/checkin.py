"""Routes of check-in at the door."""

from typing import Any, ClassVar

from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import current_user
from config.api.http.work_slots import ROWS
from config.api.key_scopes import Scope, Scopes
from config.api.openapi.schema import operation
from config.errors import IdempotencyKeyReused, PermissionDenied
from events.models import Event, Right
from events.permissions import IsOrganizerOrStaff
from events.views.access import EventAccess

from .. import services
from ..errors import TicketNotValid
from ..permissions import sees_meeting, sees_people
from ..serializers import (
    CheckInOut,
    CheckInsIn,
    CheckInsOut,
    CheckInUndoneOut,
    DoorListOut,
    TicketIn,
)


class DoorView(EventAccess):
    """The door of an event, for the organizer and for staff."""

    tag = "attendees"
    permission_classes = (IsAuthenticated, IsOrganizerOrStaff)
    staff_permissions: ClassVar[dict[str, str]] = {
        "GET": "registrations.view_registration",
        "POST": "registrations.change_registration",
    }
    needed_rights: ClassVar[dict[str, str]] = {"GET": Right.CHECKIN, "POST": Right.CHECKIN}
    key_scopes: ClassVar[dict[str, Scopes]] = {
        "GET": (Scope.CHECKIN,),
        "POST": (Scope.CHECKIN,),
    }
    hides_meeting_url = False
    is_at_door = False

    def event(self, pk: int) -> Event:
        event: Event = self.get_row(self.visible_events(pk), pk=pk)
        self.hides_meeting_url = not sees_meeting(self.request.user, event)
        self.is_at_door = not sees_people(self.request, self, event)
        return event

    def get_serializer_context(self) -> dict[str, Any]:
        return {
            **super().get_serializer_context(),
            "hides_meeting_url": self.hides_meeting_url,
            "is_at_door": self.is_at_door,
        }


class CheckInView(DoorView):
    @operation(
        "Check in",
        request=TicketIn,
        responses={200: CheckInOut},
        raises=[PermissionDenied, TicketNotValid, IdempotencyKeyReused],
    )
    def post(self, request: Request, pk: int) -> Response:
        """A second scan is not an error: the response has the time of the first.

        A phone that was offline sends `at` and a `nonce`. Of several scans the earliest is in
        effect, unless the check-in was undone later. A repetition with the same nonce changes
        nothing and gets the same response.

        Callers who only check people in get `id`, `name`, `status`, `party_size` and
        `checked_in_at` of the registration.
        """
        event, user = self.event(pk), current_user(request)
        result = services.check_in(event, **self.valid(TicketIn), by=user)
        return Response(CheckInOut(result, context=self.get_serializer_context()).data)


class CheckInUndoView(DoorView):
    @operation(
        "Undo a check-in",
        request=TicketIn,
        responses={200: CheckInUndoneOut},
        raises=[PermissionDenied, TicketNotValid, IdempotencyKeyReused],
    )
    def post(self, request: Request, pk: int) -> Response:
        """Undoes the scans up to `at`. Without a check-in nothing changes."""
        event, user = self.event(pk), current_user(request)
        registration = services.undo_check_in(event, **self.valid(TicketIn), by=user)
        result = {"registration": registration}
        return Response(CheckInUndoneOut(result, context=self.get_serializer_context()).data)


class BulkCheckInView(DoorView):
    @operation(
        "Check in many",
        request=CheckInsIn,
        responses={200: CheckInsOut},
        raises=[PermissionDenied],
    )
    def post(self, request: Request, pk: int) -> Response:
        """Up to 1,000 scans of phones that were offline, in any order.

        Each gets the response that it would get alone, with its `status`; one that is refused does
        not affect the others. A bare array is read as `check_ins`.
        """
        event, user = self.event(pk), current_user(request)
        with ROWS.one():
            scans = self.valid(CheckInsIn)["check_ins"]
            results = {"results": services.scan_tickets(event, scans, by=user)}
            return Response(CheckInsOut(results, context=self.get_serializer_context()).data)


class DoorListView(DoorView):
    sends_etag = True

    @operation(
        "Get the door list",
        operation_id="readDoorList",
        responses=DoorListOut,
        raises=[PermissionDenied],
    )
    def get(self, request: Request, pk: int) -> Response:
        """Confirmed and waitlisted people, for phones that lose the network at the door.

        It has the SHA-256 of each ticket's code in place of the code, and no addresses. So a lost
        phone contains no tickets. An ETag makes repeated requests cheap.
        """
        door_list = services.door_list(self.event(pk))
        return Response(DoorListOut(door_list, context=self.get_serializer_context()).data)
