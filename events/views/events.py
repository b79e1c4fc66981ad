"""One event: reading, editing, deleting, publishing and cancelling it."""

from datetime import UTC
from typing import Any, ClassVar

from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import account_by_token, current_user
from config.api.http.dry_runs import can_run_dry
from config.api.http.strict_bodies import NoFields
from config.api.http.throttling import count_account, count_guest
from config.api.key_scopes import OPEN, Scope, Scopes
from config.api.openapi.schema import operation
from config.api.staff_rights import rights_key
from config.api.views import ApiView
from config.errors import PermissionDenied
from config.fast_path.request import Answer, PlainRequest

from .. import services
from ..errors import (
    CapacityBelowRegistered,
    EventCancelled,
    EventNotPublished,
    EventStarted,
    OrganizerRoleRequired,
)
from ..models import Event, EventQuerySet, Right
from ..permissions import IsOrganizerOrStaff, MayOrganize, ReadsOrManagesEvent
from ..search.page_cache import rendered_event
from ..serializers.duplicates import DuplicateIn
from ..serializers.event_input import CancellationIn, EventEditIn, EventIn
from ..serializers.events import EventOut, ListedEventOut
from .access import EventAccess
from .dry_runs import observe_copy, observe_event
from .rendering import GUEST_REQUEST, renderer_for


class EventView(EventAccess):
    is_compressed = True
    permission_classes = (ReadsOrManagesEvent,)
    staff_permissions: ClassVar[dict[str, str]] = {
        "PUT": "events.change_event",
        "PATCH": "events.change_event",
        "DELETE": "events.delete_event",
    }
    needed_rights: ClassVar[dict[str, str]] = {
        "PUT": Right.EDIT,
        "PATCH": Right.EDIT,
        "DELETE": Right.DELETE,
    }
    key_scopes: ClassVar[dict[str, Scopes]] = {
        "GET": OPEN,
        **dict.fromkeys(("PUT", "PATCH", "DELETE"), (Scope.EVENTS_WRITE,)),
    }
    sends_etag = True
    if_match_methods = ("PUT", "PATCH", "DELETE")
    shown_elsewhere = (ListedEventOut,)

    @operation("Read an event", responses=EventOut)
    def get(self, request: Request, pk: int) -> Response:
        """Drafts are for their organizer and staff; cancelled events stay readable.

        An unlisted event needs its `key`, a role, or a live registration of the caller's.
        """
        return self._tagged_response(self.get_event_by_id(pk, EventQuerySet.for_listing))

    @can_run_dry(observe_event)
    @operation(
        "Replace an event",
        request=EventIn,
        responses=EventOut,
        raises=[PermissionDenied, CapacityBelowRegistered, EventCancelled, EventStarted],
    )
    def put(self, request: Request, pk: int) -> Response:
        """An optional field that is left out gets its default."""
        return self._edit(pk, partial=False)

    @can_run_dry(observe_event)
    @operation(
        "Edit an event",
        request=EventEditIn,
        responses=EventOut,
        raises=[PermissionDenied, CapacityBelowRegistered, EventCancelled, EventStarted],
    )
    def patch(self, request: Request, pk: int) -> Response:
        """Changes the fields that are sent."""
        return self._edit(pk, partial=True)

    @can_run_dry(observe_event)
    @operation("Delete an event", responses={204: None}, raises=[PermissionDenied])
    def delete(self, request: Request, pk: int) -> Response:
        """Removes the event from the API. Staff can restore it in the admin."""
        services.delete_event(_event(self, pk), expected_versions=self.expected_version())
        return Response(status=204)

    def _edit(self, pk: int, *, partial: bool) -> Response:
        event = _event(self, pk)
        self.event = event
        changes = self.valid(EventEditIn, partial=partial)
        keep_local_time = changes.pop("keep_local_time", False)
        event = services.edit_event(
            event,
            changes,
            keep_local_time=keep_local_time,
            expected_versions=self.expected_version(),
        )
        return self._tagged_response(event)

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "event": getattr(self, "event", None)}

    def _tagged_response(self, event: Event) -> Response:
        self.etag_version = event.edit_tag
        return event_response(self, event)


def fast_event(request: PlainRequest, pk: int) -> Answer | None:
    """`EventView.get` on the fast path.

    None for requests with parameters, for API keys and for tokens that are not valid.
    """
    if request.query:
        return None
    viewer: Any = GUEST_REQUEST.user
    if "HTTP_AUTHORIZATION" not in request.META:
        count_guest("anonymous", request)
    else:
        viewer = account_by_token(request)
        if viewer is None:
            return None
        count_account("user", viewer.pk, request)
    rendered = rendered_event(
        pk,
        lambda: Event.objects.visible_to(viewer),
        key=(viewer.is_authenticated, rights_key(viewer)),
        viewer=viewer,
        zone=UTC,
        renderer=renderer_for(viewer),
    )
    if rendered is None:
        return None
    version, body = rendered
    return Answer(200, body, {}, version)


class PublishView(EventAccess):
    permission_classes = (IsAuthenticated, IsOrganizerOrStaff)
    staff_permissions: ClassVar[dict[str, str]] = {"POST": "events.change_event"}
    needed_rights: ClassVar[dict[str, str]] = {"POST": Right.EDIT}
    key_scopes: ClassVar[dict[str, Scopes]] = {"POST": (Scope.EVENTS_WRITE,)}

    @can_run_dry(observe_event)
    @operation(
        "Publish an event",
        request=None,
        responses=EventOut,
        raises=[PermissionDenied, EventCancelled, EventStarted],
    )
    def post(self, request: Request, pk: int) -> Response:
        """A published event stays unchanged."""
        event = _event(self, pk)
        self.valid(NoFields)
        return event_response(self, services.publish_event(event))


class CancelView(EventAccess):
    permission_classes = (IsAuthenticated, IsOrganizerOrStaff)
    staff_permissions: ClassVar[dict[str, str]] = {"POST": "events.change_event"}
    needed_rights: ClassVar[dict[str, str]] = {"POST": Right.CANCEL}
    key_scopes: ClassVar[dict[str, Scopes]] = {"POST": (Scope.EVENTS_WRITE,)}

    @can_run_dry(observe_event)
    @operation(
        "Cancel an event",
        request=CancellationIn,
        responses=EventOut,
        raises=[PermissionDenied, EventNotPublished],
    )
    def post(self, request: Request, pk: int) -> Response:
        """Final. Registrations stay as a record. A cancelled event stays unchanged."""
        event = _event(self, pk)
        return event_response(self, services.cancel_event(event, **self.valid(CancellationIn)))


class EventKeyResetView(EventAccess):
    permission_classes = (IsAuthenticated, IsOrganizerOrStaff)
    staff_permissions: ClassVar[dict[str, str]] = {"POST": "events.change_event"}
    needed_rights: ClassVar[dict[str, str]] = {"POST": Right.EDIT}
    key_scopes: ClassVar[dict[str, Scopes]] = {"POST": (Scope.EVENTS_WRITE,)}

    @operation(
        "Reset the key of an event",
        request=None,
        responses=EventOut,
        raises=[PermissionDenied],
    )
    def post(self, request: Request, pk: int) -> Response:
        """Earlier links to the unlisted event end at once. People with a place keep access.

        The response has the new links.
        """
        event = _event(self, pk)
        self.valid(NoFields)
        return event_response(self, services.reset_key(event))


class DuplicateView(EventAccess):
    permission_classes = (MayOrganize, IsOrganizerOrStaff)
    staff_permissions: ClassVar[dict[str, str]] = {"POST": "events.change_event"}
    needed_rights: ClassVar[dict[str, str]] = {"POST": Right.EDIT}
    key_scopes: ClassVar[dict[str, Scopes]] = {"POST": (Scope.EVENTS_WRITE,)}

    @can_run_dry(observe_copy)
    @operation(
        "Duplicate an event",
        request=DuplicateIn,
        responses={201: EventOut},
        raises=[PermissionDenied, OrganizerRoleRequired],
    )
    def post(self, request: Request, pk: int) -> Response:
        """Makes a draft of the caller with the same settings, also of a cancelled or past event.

        The end and the windows of registration move with the start on the clock. People, answers,
        feedback and messages are not copied.
        """
        self.event = _event(self, pk)
        copy = services.duplicate_event(
            self.event, current_user(request), **self.valid(DuplicateIn)
        )
        location = request.build_absolute_uri(f"/api/events/{copy.pk}/")
        return event_response(self, copy, status=201, headers={"Location": location})

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "event": getattr(self, "event", None)}


def _event(view: EventAccess, pk: int) -> Event:
    return view.get_event_by_id(pk, EventQuerySet.for_display)


def event_response(view: ApiView, event: Event, **kwargs: Any) -> Response:
    return Response(EventOut(event, context=view.get_serializer_context()).data, **kwargs)
