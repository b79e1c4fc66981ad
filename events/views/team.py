"""Teams of events and series, transfers, and the invitations of the caller."""

from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import current_user
from config.api.http.dry_runs import can_run_dry
from config.api.http.strict_bodies import NoFields
from config.api.openapi.schema import operation
from config.api.pagination.keyset import Ordering, orderings
from config.api.pagination.paginator import KeysetPagination
from config.api.permissions import has_right_for
from config.api.views import ApiView, ListView
from config.errors import PermissionDenied

from ..errors import AlreadyMember, InvitationExpired, OrganizerRoleRequired, RoleTooLow
from ..models import Event, Right, Series, TeamMember, has_right
from ..permissions import HasRole, IsOrganizerOrStaff
from ..serializers.team import InvitationOut, MemberEditIn, MemberIn, MemberOut, TransferIn
from ..services import team
from .access import EventAccess
from .dry_runs import observe_transfer

_STAFF = {
    "event": {"GET": "events.view_event"}
    | dict.fromkeys(("POST", "PATCH", "DELETE"), "events.change_event"),
    "series": {"GET": "events.view_series"}
    | dict.fromkeys(("POST", "PATCH", "DELETE"), "events.change_series"),
}


class TeamRowView(ApiView):
    """The base of the routes below one event or series. All are closed to API keys."""

    tag = "teams"
    model: ClassVar[type[Event] | type[Series]]
    permission_classes: Any = (IsAuthenticated, IsOrganizerOrStaff)

    def check_replay(self, **kwargs: Any) -> None:
        self.row(kwargs["pk"])

    def row(self, pk: int) -> Any:
        return self.get_row(self.visible_rows(pk).select_related("organizer"), pk=pk)

    def visible_rows(self, pk: int) -> QuerySet[Any]:
        return Series.objects.visible_to(self.request.user, *self.needed_permissions)


class EventRowView(EventAccess, TeamRowView):
    model = Event

    def visible_rows(self, pk: int) -> QuerySet[Any]:
        return self.visible_events(pk)


class TeamView(ListView, TeamRowView):
    sends_etag = False
    pagination_class = KeysetPagination
    needed_rights: ClassVar[dict[str, str]] = {"POST": Right.TEAM}
    orderings = orderings(("created_at", Ordering("created_at")))

    def get_permissions(self) -> list[Any]:
        role = HasRole if self.request.method in {"GET", "HEAD"} else IsOrganizerOrStaff
        return [IsAuthenticated(), role()]

    def default_ordering(self, request: Request) -> str:
        return "created_at"

    def members_page(self, pk: int) -> Response:
        row, members = self.row(pk), TeamMember.objects.select_related("user")
        members = members.filter(**{str(self.model._meta.model_name): row})
        user = current_user(self.request)
        if not (has_right(user, Right.TEAM, row) or has_right_for(self.request, self)):
            members = members.filter(user=user)
        return self.page(members, MemberOut)

    def invitation(self, pk: int) -> Response:
        row = self.row(pk)
        member = team.invite(row, **self.valid(MemberIn), by=current_user(self.request))
        path = "events" if self.model is Event else "series"
        location = self.request.build_absolute_uri(f"/api/{path}/{row.pk}/team/{member.pk}/")
        return Response(MemberOut(member).data, status=201, headers={"Location": location})


class EventTeamView(EventRowView, TeamView):
    staff_permissions: ClassVar[dict[str, str]] = _STAFF["event"]

    @operation(
        "List the team of an event", responses=MemberOut(many=True), raises=[PermissionDenied]
    )
    def get(self, request: Request, pk: int) -> Response:
        """Members and invitations, without the owner. Other members see their own row."""
        return self.members_page(pk)

    @operation(
        "Invite to the team of an event",
        request=MemberIn,
        responses={201: MemberOut},
        raises=[PermissionDenied, RoleTooLow, AlreadyMember],
    )
    def post(self, request: Request, pk: int) -> Response:
        """Sends an e-mail with a link that is valid for 14 days; again renews the invitation.

        The response is the same whether or not an account has the address. Only the owner invites
        managers.
        """
        return self.invitation(pk)


class SeriesTeamView(TeamView):
    model = Series
    staff_permissions: ClassVar[dict[str, str]] = _STAFF["series"]

    @operation(
        "List the team of a series", responses=MemberOut(many=True), raises=[PermissionDenied]
    )
    def get(self, request: Request, pk: int) -> Response:
        """As for an event. The team of a series is that of its events, too."""
        return self.members_page(pk)

    @operation(
        "Invite to the team of a series",
        request=MemberIn,
        responses={201: MemberOut},
        raises=[PermissionDenied, RoleTooLow, AlreadyMember],
    )
    def post(self, request: Request, pk: int) -> Response:
        """As for an event. The role applies to the events of the series, later ones too."""
        return self.invitation(pk)


class MemberView(TeamRowView):
    """Members change and leave by their own row, so the service checks the right."""

    permission_classes = (IsAuthenticated, HasRole)

    def edited(self, pk: int, member_id: int) -> Response:
        row, user = self.row(pk), current_user(self.request)
        member = team.change_role(row, member_id, **self.valid(MemberEditIn), by=user)
        return Response(MemberOut(member).data)

    def removed(self, pk: int, member_id: int) -> Response:
        team.remove_member(self.row(pk), member_id, by=current_user(self.request))
        return Response(status=204)


class EventMemberView(EventRowView, MemberView):
    staff_permissions: ClassVar[dict[str, str]] = _STAFF["event"]

    @operation(
        "Change a role on an event",
        request=MemberEditIn,
        responses=MemberOut,
        raises=[PermissionDenied, RoleTooLow],
    )
    def patch(self, request: Request, pk: int, member_id: int) -> Response:
        """Takes effect at once. Only the owner makes managers, and changes them."""
        return self.edited(pk, member_id)

    @operation(
        "Remove a member from an event",
        responses={204: None},
        raises=[PermissionDenied, RoleTooLow],
    )
    def delete(self, request: Request, pk: int, member_id: int) -> Response:
        """Takes effect at once, also for oneself. Withdraws an invitation."""
        return self.removed(pk, member_id)


class SeriesMemberView(MemberView):
    model = Series
    staff_permissions: ClassVar[dict[str, str]] = _STAFF["series"]

    @operation(
        "Change a role on a series",
        request=MemberEditIn,
        responses=MemberOut,
        raises=[PermissionDenied, RoleTooLow],
    )
    def patch(self, request: Request, pk: int, member_id: int) -> Response:
        """Takes effect at once. Only the owner makes managers, and changes them."""
        return self.edited(pk, member_id)

    @operation(
        "Remove a member from a series",
        responses={204: None},
        raises=[PermissionDenied, RoleTooLow],
    )
    def delete(self, request: Request, pk: int, member_id: int) -> Response:
        """Takes effect at once, also for oneself. Withdraws an invitation."""
        return self.removed(pk, member_id)


class TransferView(TeamRowView):
    """The right to delete is the owner's."""

    needed_rights: ClassVar[dict[str, str]] = {"POST": Right.DELETE, "DELETE": Right.DELETE}

    def offered(self, pk: int) -> Response:
        row = self.row(pk)
        member = team.start_transfer(row, **self.valid(TransferIn), by=current_user(self.request))
        return Response(MemberOut(member).data, status=202)

    def withdrawn(self, pk: int) -> Response:
        team.withdraw_transfer(self.row(pk), by=current_user(self.request))
        return Response(status=204)


class EventTransferView(EventRowView, TransferView):
    staff_permissions: ClassVar[dict[str, str]] = _STAFF["event"]

    @can_run_dry(observe_transfer)
    @operation(
        "Transfer an event",
        request=TransferIn,
        responses={202: MemberOut},
        raises=[PermissionDenied, RoleTooLow, AlreadyMember],
    )
    def post(self, request: Request, pk: int) -> Response:
        """An invitation with the role `owner`. The transfer is complete when it is accepted by
        somebody who may organize. The former owner is a manager then."""
        return self.offered(pk)

    @can_run_dry(observe_transfer)
    @operation(
        "Withdraw the transfer of an event",
        responses={204: None},
        raises=[PermissionDenied, RoleTooLow],
    )
    def delete(self, request: Request, pk: int) -> Response:
        return self.withdrawn(pk)


class SeriesTransferView(TransferView):
    model = Series
    staff_permissions: ClassVar[dict[str, str]] = _STAFF["series"]

    @can_run_dry(observe_transfer)
    @operation(
        "Transfer a series",
        request=TransferIn,
        responses={202: MemberOut},
        raises=[PermissionDenied, RoleTooLow, AlreadyMember],
    )
    def post(self, request: Request, pk: int) -> Response:
        """As for an event, with the events of the series that the owner owns."""
        return self.offered(pk)

    @can_run_dry(observe_transfer)
    @operation(
        "Withdraw the transfer of a series",
        responses={204: None},
        raises=[PermissionDenied, RoleTooLow],
    )
    def delete(self, request: Request, pk: int) -> Response:
        return self.withdrawn(pk)


class InvitationListView(ListView):
    tag = "teams"
    sends_etag = False
    pagination_class = KeysetPagination
    orderings = orderings(("invited_at", Ordering("invited_at")))

    def default_ordering(self, request: Request) -> str:
        return "-invited_at"

    @operation("List my invitations", responses=InvitationOut(many=True))
    def get(self, request: Request) -> Response:
        """Those to the confirmed address of the account that are not answered yet."""
        return self.page(_invitations(self), InvitationOut)


class InvitationAcceptView(ApiView):
    tag = "teams"

    @operation(
        "Accept an invitation",
        request=None,
        responses=InvitationOut,
        raises=[InvitationExpired, AlreadyMember, OrganizerRoleRequired],
    )
    def post(self, request: Request, pk: int) -> Response:
        """Needs the confirmed address that was invited. A transfer needs the organizer role."""
        user = current_user(request)
        accepted = TeamMember.objects.active_of(user).values("pk")
        answerable = Q(pk__in=TeamMember.objects.open_for(user).values("pk")) | Q(pk__in=accepted)
        invitation = self.get_row(_with_names().filter(answerable), pk=pk)
        self.valid(NoFields)
        return Response(InvitationOut(team.accept_invitation(invitation, user)).data)


class InvitationDeclineView(ApiView):
    tag = "teams"

    @operation("Decline an invitation", request=None, responses=InvitationOut)
    def post(self, request: Request, pk: int) -> Response:
        """It can be sent again."""
        invitation = self.get_row(_invitations(self), pk=pk)
        self.valid(NoFields)
        declined = team.decline_invitation(invitation, current_user(request).email)
        return Response(InvitationOut(declined).data)


def _invitations(view: ApiView) -> QuerySet[TeamMember]:
    user = current_user(view.request)
    return _with_names().filter(pk__in=TeamMember.objects.open_for(user).values("pk"))


def _with_names() -> QuerySet[TeamMember]:
    return TeamMember.objects.select_related("event", "series", "invited_by")
