"""Links to the check-in page of an event, for volunteers without an account."""

from typing import Any, ClassVar

from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import current_user
from config.api.openapi.schema import operation
from config.api.pagination.keyset import Ordering, orderings
from config.api.pagination.paginator import KeysetPagination
from config.api.views import ListView
from config.errors import NotFound, PermissionDenied
from events.errors import RoleTooLow
from events.models import Event, Right
from events.permissions import IsOrganizerOrStaff
from events.views.access import EventAccess

from .. import services
from ..serializers import DoorLinkIn, DoorLinkOut, NewDoorLinkOut


class DoorLinksView(EventAccess):
    """The links of an event, for roles with its people and for staff. Closed to API keys."""

    tag = "attendees"
    permission_classes: Any = (IsAuthenticated, IsOrganizerOrStaff)
    staff_permissions: ClassVar[dict[str, str]] = {
        "GET": "registrations.view_registration",
        "POST": "registrations.change_registration",
        "DELETE": "registrations.change_registration",
    }
    needed_rights: ClassVar[dict[str, str]] = dict.fromkeys(("GET", "POST", "DELETE"), Right.PEOPLE)
    shown_elsewhere = (NewDoorLinkOut,)

    def event(self, pk: int) -> Event:
        return self.get_row(self.visible_events(pk), pk=pk)


class DoorLinkListView(ListView, DoorLinksView):
    sends_etag = False
    stores_responses = False
    pagination_class = KeysetPagination
    orderings = orderings(("created_at", Ordering("created_at")))

    def default_ordering(self, request: Request) -> str:
        return "-created_at"

    @operation(
        "List the door links of an event",
        responses=DoorLinkOut(many=True),
        raises=[PermissionDenied, RoleTooLow],
    )
    def get(self, request: Request, pk: int) -> Response:
        """The links that were not withdrawn, expired ones too. Their URLs are not stored."""
        return self.page(services.door_links_of(self.event(pk)), DoorLinkOut)

    @operation(
        "Create a door link",
        request=DoorLinkIn,
        responses={201: NewDoorLinkOut},
        raises=[PermissionDenied, RoleTooLow],
    )
    def post(self, request: Request, pk: int) -> Response:
        """The response has the URL of the check-in page, which is shown here alone.

        Whoever has the URL checks people in until a day after the end of the event, without an
        account: by camera, by name, and without a network for a while. The page shows no
        addresses. Give each volunteer a link of their own, so that one can be withdrawn.
        Repetitions with an Idempotency-Key are not recognized, since the response is not stored.
        """
        event, user = self.event(pk), current_user(request)
        link, url = services.create_door_link(event, **self.valid(DoorLinkIn), by=user)
        link.url = url  # type: ignore[attr-defined]  # a field of `NewDoorLinkOut`
        path = f"/api/events/{event.pk}/door-links/{link.pk}/"
        headers = {"Location": request.build_absolute_uri(path)}
        return Response(NewDoorLinkOut(link).data, status=201, headers=headers)


class DoorLinkView(DoorLinksView):
    @operation(
        "Withdraw a door link",
        responses={204: None},
        raises=[PermissionDenied, RoleTooLow],
    )
    def delete(self, request: Request, pk: int, link_id: int) -> Response:
        """Takes effect at once. Its check-ins stay."""
        links = services.door_links_of(self.event(pk))
        link = links.filter(pk=link_id).first()
        if link is None:
            raise NotFound
        services.withdraw_door_link(link)
        return Response(status=204)
