from typing import ClassVar

from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import current_user
from config.api.http.dry_runs import can_run_dry
from config.api.key_scopes import Scope, Scopes
from config.api.openapi.schema import operation
from config.api.pagination.keyset import Ordering, orderings
from config.api.pagination.paginator import KeysetPagination
from config.api.views import ApiView, ListView
from config.errors import PermissionDenied
from events.models import Event, Right
from events.permissions import IsOrganizerOrStaff
from events.views.access import EventAccess

from .. import services
from ..models import Message
from ..serializers import MessageIn, MessageOut
from .dry_runs import observe_message


class MessageListView(EventAccess, ListView):
    tag = "attendees"
    permission_classes = (IsAuthenticated, IsOrganizerOrStaff)
    staff_permissions: ClassVar[dict[str, str]] = {
        "GET": "registrations.view_message",
        "POST": "registrations.add_message",
    }
    needed_rights: ClassVar[dict[str, str]] = {"GET": Right.PEOPLE, "POST": Right.PEOPLE}
    key_scopes: ClassVar[dict[str, Scopes]] = {
        "GET": (Scope.MESSAGES_WRITE,),
        "POST": (Scope.MESSAGES_WRITE,),
    }
    throttle_scopes = {"POST": "message"}
    pagination_class = KeysetPagination
    orderings = orderings(("created_at", Ordering("created_at")))

    def default_ordering(self, request: Request) -> str:
        return "-created_at"

    def event(self, pk: int) -> Event:
        return self.get_row(self.visible_events(pk), pk=pk)

    @operation(
        "List messages to attendees",
        operation_id="listMessages",
        responses=MessageOut(many=True),
        raises=[PermissionDenied],
    )
    def get(self, request: Request, pk: int) -> Response:
        """The messages to the attendees of an event, the latest first."""
        messages = Message.objects.filter(event=self.event(pk))
        return self.page(messages.for_display(), MessageOut)

    @can_run_dry(observe_message)
    @operation(
        "Write to attendees",
        operation_id="sendMessage",
        request=MessageIn,
        responses={201: MessageOut},
        raises=[PermissionDenied],
    )
    def post(self, request: Request, pk: int) -> Response:
        """Sent once to the present attendees: by e-mail, and to the inbox of accounts."""
        event, author = self.event(pk), current_user(request)
        message = services.send_message(event, author=author, **self.valid(MessageIn))
        location = request.build_absolute_uri(f"/api/messages/{message.pk}/")
        return Response(MessageOut(message).data, status=201, headers={"Location": location})


class MessageView(ApiView):
    tag = "attendees"
    permission_classes = (IsAuthenticated,)
    key_scopes: ClassVar[dict[str, Scopes]] = {"GET": (Scope.MESSAGES_WRITE,)}
    sends_etag = True

    @operation("Read a message to attendees", operation_id="readMessage", responses=MessageOut)
    def get(self, request: Request, pk: int) -> Response:
        """For the organizer, and staff with `registrations.view_message`."""
        message = self.get_row(Message.objects.visible_to(request.user).for_display(), pk=pk)
        return Response(MessageOut(message).data)
