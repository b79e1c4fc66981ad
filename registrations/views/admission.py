"""Who gets in: decisions on pending registrations, codes, and confirmed addresses."""

from typing import ClassVar
from uuid import UUID

from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import current_user
from accounts.errors import InvalidOrExpiredLink
from config.api.http.dry_runs import can_run_dry
from config.api.http.strict_bodies import NoFields
from config.api.http.work_slots import ROWS
from config.api.key_scopes import Scope, Scopes
from config.api.openapi.schema import operation
from config.api.pagination.keyset import Ordering, orderings
from config.api.pagination.paginator import KeysetPagination
from config.api.views import ApiView, ListView
from config.errors import PermissionDenied
from events.errors import EventCancelled, EventNotPublished, EventStarted
from events.models import Event, Right
from events.permissions import IsOrganizerOrStaff
from events.views.access import EventAccess

from .. import services
from ..errors import (
    AlreadyRegistered,
    CodeInvalid,
    CodeRequired,
    CodeUsedUp,
    EventFull,
    NotPending,
    OptionFull,
    PartyTooLarge,
    RegistrationClosed,
    RegistrationNotOpen,
)
from ..models import Registration, RegistrationCode
from ..permissions import DecidesOnRegistration, reads_registrations
from ..serializers import RegistrationOut, short_registration
from ..serializers.admission import (
    CodeIn,
    CodeOut,
    ConfirmedRegistrationOut,
    ConfirmRegistrationIn,
    DecideIn,
    OutcomesOut,
    RejectIn,
)
from .dry_runs import observe_decisions, observe_registration


class ConfirmRegistrationView(ApiView):
    tag = "registrations"
    permission_classes = (AllowAny,)
    throttle_scopes = {"POST": "register"}
    is_personal = True

    @operation(
        "Confirm a registration",
        operation_id="confirmRegistration",
        request=ConfirmRegistrationIn,
        responses=ConfirmedRegistrationOut,
        raises=[
            InvalidOrExpiredLink,
            EventCancelled,
            EventNotPublished,
            EventStarted,
            RegistrationNotOpen,
            RegistrationClosed,
            CodeRequired,
            CodeInvalid,
            AlreadyRegistered,
            PartyTooLarge,
            OptionFull,
            CodeUsedUp,
            EventFull,
        ],
    )
    def post(self, request: Request) -> Response:
        """Takes the seat, or the place on the waitlist, for a guest with a confirmed address.

        The token is valid for 24 hours, also after a refusal. The same token gets the same
        registration again.
        """
        registration = services.confirm(self.valid(ConfirmRegistrationIn)["token"])
        context = self.get_serializer_context()
        return Response(ConfirmedRegistrationOut(registration, context=context).data)


class DecisionView(ApiView):
    """A decision of the organizer on one registration."""

    tag = "attendees"
    permission_classes = (IsAuthenticated, DecidesOnRegistration)
    staff_permissions: ClassVar[dict[str, str]] = {"POST": "registrations.change_registration"}
    needed_rights: ClassVar[dict[str, str]] = {"POST": Right.PEOPLE}
    key_scopes: ClassVar[dict[str, Scopes]] = {"POST": (Scope.REGISTRATIONS_WRITE,)}

    def registration(self, pk: UUID) -> Registration:
        """The row, also for a role that may not decide: its refusal names those that may."""
        rows, user = Registration.objects.for_display(), self.request.user
        return self.get_row(rows.visible_to(user, *self.needed_permissions, right=None), pk=pk)

    def decided(self, pk: UUID) -> Response:
        row = Registration.objects.for_display().get(pk=pk)
        if not reads_registrations(self.request):
            return Response(short_registration(row))
        return Response(RegistrationOut(row, context=self.get_serializer_context()).data)


class ApproveView(DecisionView):
    @can_run_dry(observe_registration)
    @operation(
        "Approve a registration",
        operation_id="approveRegistration",
        request=None,
        responses=RegistrationOut,
        raises=[
            PermissionDenied,
            EventCancelled,
            EventNotPublished,
            EventStarted,
            NotPending,
            PartyTooLarge,
            OptionFull,
            EventFull,
        ],
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Gives a pending registration a seat, or a place at the end of the waitlist.

        Works after registration has closed. A registration that cannot get a seat stays pending.
        """
        registration = self.registration(pk)
        self.valid(NoFields)
        services.approve(registration, by=current_user(request))
        return self.decided(pk)


class RejectView(DecisionView):
    @can_run_dry(observe_registration)
    @operation(
        "Reject a registration",
        operation_id="rejectRegistration",
        request=RejectIn,
        responses=RegistrationOut,
        raises=[PermissionDenied, NotPending],
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """The person is notified, and cannot register again."""
        registration = self.registration(pk)
        services.reject(registration, **self.valid(RejectIn), by=current_user(request))
        return self.decided(pk)


class ReopenView(DecisionView):
    @operation(
        "Take a rejection back",
        operation_id="reopenRegistration",
        request=None,
        responses=RegistrationOut,
        raises=[PermissionDenied, NotPending],
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """The registration is pending again. Nobody is notified."""
        registration = self.registration(pk)
        self.valid(NoFields)
        services.reopen(registration, by=current_user(request))
        return self.decided(pk)


class _EventView(EventAccess):
    tag = "attendees"
    permission_classes = (IsAuthenticated, IsOrganizerOrStaff)

    def event(self, pk: int) -> Event:
        return self.get_row(self.visible_events(pk), pk=pk)


class DecideView(_EventView):
    staff_permissions: ClassVar[dict[str, str]] = {"POST": "registrations.change_registration"}
    needed_rights: ClassVar[dict[str, str]] = {"POST": Right.PEOPLE}
    key_scopes: ClassVar[dict[str, Scopes]] = {"POST": (Scope.REGISTRATIONS_WRITE,)}

    @can_run_dry(observe_decisions)
    @operation(
        "Decide on many registrations",
        operation_id="decideOnRegistrations",
        request=DecideIn,
        responses={200: OutcomesOut},
        raises=[PermissionDenied],
    )
    def post(self, request: Request, pk: int) -> Response:
        """Approves or rejects up to 1,000 pending registrations in the order of registering.

        Each person is notified. One that cannot be decided on keeps its status and has the `code`
        of the problem; it does not affect the others.
        """
        event, user = self.event(pk), current_user(request)
        with ROWS.one():
            outcomes = services.decide(event, **self.valid(DecideIn), by=user)
            return Response(OutcomesOut({"results": outcomes}).data)


class CodeListView(_EventView, ListView):
    staff_permissions: ClassVar[dict[str, str]] = {
        "GET": "registrations.view_registrationcode",
        "POST": "registrations.add_registrationcode",
    }
    needed_rights: ClassVar[dict[str, str]] = {"GET": Right.PEOPLE, "POST": Right.PEOPLE}
    key_scopes: ClassVar[dict[str, Scopes]] = {
        "GET": (Scope.REGISTRATIONS_READ,),
        "POST": (Scope.REGISTRATIONS_WRITE,),
    }
    pagination_class = KeysetPagination
    queryset = RegistrationCode.objects.none()  # for the OpenAPI document
    orderings = orderings(("created_at", Ordering("created_at")))

    def default_ordering(self, request: Request) -> str:
        return "-created_at"

    @operation(
        "List codes",
        operation_id="listCodes",
        responses=CodeOut(many=True),
        raises=[PermissionDenied],
    )
    def get(self, request: Request, pk: int) -> Response:
        """The codes that registering needs at an event of the mode `code`, the latest first."""
        return self.page(RegistrationCode.objects.filter(event=self.event(pk)), CodeOut)

    @operation(
        "Create a code",
        operation_id="createCode",
        request=CodeIn,
        responses={201: CodeOut},
        raises=[PermissionDenied],
    )
    def post(self, request: Request, pk: int) -> Response:
        """Without `code` a random one is made."""
        code = services.create_code(self.event(pk), **self.valid(CodeIn))
        location = request.build_absolute_uri(f"/api/events/{pk}/codes/{code.pk}/")
        return Response(CodeOut(code).data, status=201, headers={"Location": location})


class CodeView(_EventView):
    staff_permissions: ClassVar[dict[str, str]] = {
        "DELETE": "registrations.delete_registrationcode"
    }
    needed_rights: ClassVar[dict[str, str]] = {"DELETE": Right.PEOPLE}
    key_scopes: ClassVar[dict[str, Scopes]] = {"DELETE": (Scope.REGISTRATIONS_WRITE,)}

    @operation(
        "Delete a code",
        operation_id="deleteCode",
        responses={204: None},
        raises=[PermissionDenied],
    )
    def delete(self, request: Request, pk: int, code_pk: int) -> Response:
        """Registrations that have used it stay as they are."""
        services.delete_code(self.event(pk), code_pk)
        return Response(status=204)
