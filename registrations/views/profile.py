"""Profiles. They show events and registrations, so this app defines them."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework.permissions import SAFE_METHODS, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import account_by_token, current_user
from accounts.models import User
from accounts.notifications.inbox import unread_notifications
from accounts.notifications.kinds import shown_kinds
from accounts.serializers import AccountDeletionIn, ProfileIn, SignedUpOut, UserDeletionIn
from accounts.services import edit_profile, reset_calendar_link
from config.api.http.negotiation import to_json
from config.api.http.strict_bodies import NoFields
from config.api.http.throttling import count_account
from config.api.openapi.schema import operation
from config.api.sql.compiled_queries import count_rows, fetch
from config.api.staff_rights import rights_key
from config.api.views import ApiView
from config.errors import PermissionDenied
from config.fast_path.request import Answer, PlainRequest
from events.models import Event, EventQuerySet

from .. import services
from ..errors import AccountHasUpcomingEvents
from ..exports.streaming import StreamedPieces
from ..models import Registration
from ..privacy import SECTIONS, export_pieces
from ..serializers import ProfileOut

MAX_UPCOMING = 5
_ROWS = {"type": "array", "items": {"type": "object"}}


class ProfileResponseView(ApiView):
    permission_classes = (IsAuthenticated,)
    tag = "account"

    def profile_response(self, user: User) -> Response:
        """The profile as the caller may see it.

        Staff see only those events and registrations of a user that they may see elsewhere.
        """
        site = self.request.build_absolute_uri("/").rstrip("/")
        return Response(_profile(user, self.request, site))


def fast_profile(request: PlainRequest) -> Answer | None:
    """`ProfileView.get` on the fast path.

    None for requests with parameters, for guests, for API keys and for tokens that are not valid.
    """
    user = None if request.query else account_by_token(request)
    if user is None:
        return None
    count_account("user", user.pk, request)
    plain = Request(HttpRequest())
    plain.user = user
    return Answer(200, to_json(_profile(user, plain, request.site)), {})


def _profile(user: User, request: Request, site: str) -> Any:
    """The profile of `user` as the caller may see it. `site` is the base of its links."""
    viewer = current_user(request)
    other = None if user.pk == viewer.pk else viewer
    created, registered, unread = _counts(user, other)
    profile: Any = user
    profile.unread_notifications = unread
    profile.events_created = {
        "count": created,
        "upcoming": _upcoming(user, other, _created_by) if created else [],
        "url": f"{site}/api/me/events/",
    }
    profile.events_registered = {
        "count": registered,
        "upcoming": _upcoming(user, other, _attended_by) if registered else [],
        "url": f"{site}/api/me/registrations/",
    }
    return ProfileOut(profile, context={"request": request}).data


def _counts(user: User, other: User | None) -> list[int]:
    """The numbers of events created, of events registered for, and of unread notifications."""
    return count_rows(
        ("profile", _key_of(other), tuple(shown_kinds())),
        [
            lambda values: _created_by(values[0], other),
            lambda values: _attended_by(values[0], other),
            lambda values: unread_notifications(values[0]),
        ],
        [user.pk],
    )


def _upcoming(user: User, other: User | None, select: "_Select") -> list[Event]:
    """The next events of a summary."""

    def build(values: list[Any] | None) -> EventQuerySet:
        events = select((values or [user.pk])[0], other).upcoming().for_listing()
        return events.order_by("start_time", "pk")[:MAX_UPCOMING]

    return fetch(("profile", select, _key_of(other)), build, [user.pk], prepare=True)


def _key_of(other: User | None) -> Any:
    return other and (other.pk, rights_key(other))


# Returns the events of a summary, by the id of the user and the viewer. Users see all of their own:
# then the viewer is None.
_Select = Callable[[int, User | None], EventQuerySet]


def _created_by(user_id: int, viewer: User | None) -> EventQuerySet:
    events = Event.objects
    shown = events.existing() if viewer is None else events.visible_to(viewer)
    return shown.filter(organizer=user_id)


def _attended_by(user_id: int, viewer: User | None) -> EventQuerySet:
    events, rows = Event.objects, Registration.objects
    shown = rows.existing() if viewer is None else rows.visible_to(viewer)
    attended = shown.live().filter(user=user_id).values("event_id")
    visible = events.existing() if viewer is None else events.visible_to(viewer)
    return visible.filter(pk__in=attended)


class ProfileView(ProfileResponseView):
    """My own profile."""

    sends_etag = True
    shown_elsewhere = (SignedUpOut,)
    open_without_address = True
    throttle_scopes = {"DELETE": "login"}  # its response reveals whether a password is right

    def profile_user(self, **kwargs: Any) -> User:
        return current_user(self.request)

    @operation("Read my profile", responses=ProfileOut)
    def get(self, request: Request, **kwargs: Any) -> Response:
        return self.profile_response(self.profile_user(**kwargs))

    @operation("Replace my profile", request=ProfileIn, responses=ProfileOut)
    def put(self, request: Request, **kwargs: Any) -> Response:
        return self._edit(self.profile_user(**kwargs), self.valid(ProfileIn))

    @operation("Edit my profile", request=ProfileIn, responses=ProfileOut)
    def patch(self, request: Request, **kwargs: Any) -> Response:
        """A new `email` stays in `pending_email` until the link that is sent there is followed.

        With the address change the registrations of events that are not over.

        An address that was never confirmed is replaced at once, unless staff change it. Sending
        the present address withdraws a pending change, unless its `pending_email` is sent too.
        """
        return self._edit(self.profile_user(**kwargs), self.valid(ProfileIn, partial=True))

    @operation(
        "Delete my account",
        request=AccountDeletionIn,
        responses={204: None},
        raises=[AccountHasUpcomingEvents],
    )
    def delete(self, request: Request, **kwargs: Any) -> Response:
        """Needs the password. Upcoming seats are freed, personal data is erased."""
        user = self.profile_user(**kwargs)
        is_own = user.pk == request.user.pk
        data = self.valid(AccountDeletionIn, partial=not is_own)
        services.close_account(user, password=data["password"] if is_own else None)
        return Response(status=204)

    def _edit(self, user: User, changes: dict[str, Any]) -> Response:
        by_staff = user.pk != self.request.user.pk
        if self._is_pending_address_sent_back(user, changes):
            del changes["email"]
        return self.profile_response(edit_profile(user, changes, by_staff=by_staff))

    def _is_pending_address_sent_back(self, user: User, changes: dict[str, Any]) -> bool:
        """Whether the body has the addresses of a profile that was read before.

        The present address without `pending_email` withdraws the pending change.
        """
        pending = ProfileOut().get_pending_email(user)
        sent: Any = self.request.data
        is_sent_back = bool(pending) and sent.get("pending_email") == pending
        return is_sent_back and changes.get("email") == user.email


class ExportView(ApiView):
    permission_classes = (IsAuthenticated,)
    throttle_scopes = {"GET": "export"}
    ignores_tracking = True
    tag = "account"

    @operation(
        "Export my data",
        responses={
            (200, "application/json"): OpenApiResponse(
                {
                    "type": "object",
                    "required": ["exported_at", "user", *(section.name for section in SECTIONS)],
                    "properties": {
                        "exported_at": {"type": "string"},
                        "user": {"type": "object"},
                        **{section.name: _ROWS for section in SECTIONS},
                    },
                },
                "A file with all my data.",
                examples=[
                    OpenApiExample(
                        "Export",
                        {
                            "exported_at": "2026-11-21T08:00:00Z",
                            "user": {"id": 7, "email": "asha@example.com"},
                            **{section.name: [] for section in SECTIONS},
                        },
                        media_type="application/json",
                    )
                ],
            )
        },
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """Account, sessions, registrations, events, notifications and all else, in one object."""
        pieces = export_pieces(current_user(request), timezone.get_current_timezone())
        return StreamingHttpResponse(
            StreamedPieces(pieces),
            content_type="application/json",
            headers={
                "Content-Disposition": 'attachment; filename="my-data.json"',
                "Cache-Control": "no-store",
            },
        )


class UserView(ProfileView):
    """The profile of a user, for that user and for staff. Others get 404."""

    staff_permissions: ClassVar[dict[str, str]] = {
        "GET": "accounts.view_user",
        "PUT": "accounts.change_user",
        "PATCH": "accounts.change_user",
        "DELETE": "accounts.delete_user",
    }

    def profile_user(self, **kwargs: Any) -> User:
        viewer, needed = current_user(self.request), self.needed_permissions
        user = self.get_row(User.objects.visible_to(viewer, *needed), pk=kwargs["pk"])
        if self.request.method not in SAFE_METHODS and not user.may_be_changed_by(viewer, *needed):
            raise PermissionDenied
        return user

    # The methods are those of `me`. They are repeated to give each its own name in the document.

    @operation("Read a user", responses=ProfileOut)
    def get(self, request: Request, **kwargs: Any) -> Response:
        """For that user, and for staff with `accounts.view_user`."""
        return super().get(request, **kwargs)

    @operation("Replace a user", request=ProfileIn, responses=ProfileOut)
    def put(self, request: Request, **kwargs: Any) -> Response:
        """For that user and staff with `accounts.change_user`; only superusers change staff."""
        return super().put(request, **kwargs)

    @operation("Edit a user", request=ProfileIn, responses=ProfileOut)
    def patch(self, request: Request, **kwargs: Any) -> Response:
        """For that user and staff with `accounts.change_user`; only superusers change staff.

        Another `email` that staff send is pending until its owner confirms it.
        """
        return super().patch(request, **kwargs)

    @operation(
        "Delete a user",
        request=UserDeletionIn,
        responses={204: None},
        raises=[AccountHasUpcomingEvents],
    )
    def delete(self, request: Request, **kwargs: Any) -> Response:
        """For that user with the password, for staff with `accounts.delete_user` without one."""
        return super().delete(request, **kwargs)


class CalendarResetView(ProfileResponseView):
    @operation(
        "Reset the link to my calendar",
        operation_id="resetMyCalendarLink",
        request=None,
        responses=ProfileOut,
    )
    def post(self, request: Request) -> Response:
        """Responds with the profile and its new `calendar_url`. The earlier link stops working."""
        self.valid(NoFields)
        return self.profile_response(reset_calendar_link(current_user(request)))
