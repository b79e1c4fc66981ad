"""Teams of events and series: invitations, roles and transfers.

Lock order: accounts by id, then the event or series, then its members. Every change holds the lock
of the event or series and reads the rights of its actor under it. So of two changes at once, the
second one sees the first.
"""

from datetime import timedelta
from typing import Any, TypeVar
from uuid import uuid4

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.audit import record
from accounts.calendars import reset_calendar_link
from accounts.models import User
from accounts.notifications import notify
from accounts.services import confirm_email, lock_account, set_password, sign_up
from config.api.sql.locking import locked_in_order
from config.api.staff_rights import has_staff_right
from config.errors import NotFound, PermissionDenied, TemporarilyUnavailable

from ..errors import AlreadyMember, InvitationExpired, OrganizerRoleRequired, RoleTooLow
from ..models import RIGHTS, Event, Right, Role, Series, TeamMember, rights_on, role_on, roles_with
from .editing import lock_event, save_edit
from .series import lock_series, save_series

Row = TypeVar("Row", bound=Event | Series)
Owned = Event | Series
State = TeamMember.State

INVITATION_LIFETIME = timedelta(days=14)


@transaction.atomic
def invite(row: Owned, *, email: str, role: str, by: User) -> TeamMember:
    """Invites the owner of an address, or renews the invitation. Raises `AlreadyMember`.

    Does the same whether or not an account has the address.
    """
    row = _locked(row)
    member = row.team.members().filter(email=email).first()
    _check_may_set(by, row, role, *([member.role] if member else []))
    if row.organizer.email == email:
        raise AlreadyMember
    same = Q(email=email) | Q(user__email=email, user__email_verified_at__isnull=False)
    if row.team.filter(same, state=State.ACTIVE).exists():
        raise AlreadyMember
    return _invited(row, member or TeamMember(email=email), role, by)


@transaction.atomic
def start_transfer(row: Owned, *, email: str, by: User) -> TeamMember:
    """Offers the event or series to the owner of an address. Replaces an earlier offer."""
    row = _locked(row)
    _check_owns(by, row)
    if row.organizer.email == email:
        raise AlreadyMember("You own it already.")
    _withdraw(row, row.team.filter(role=Role.OWNER).exclude(email=email))
    member = row.team.filter(role=Role.OWNER).first()
    return _invited(row, member or TeamMember(email=email), Role.OWNER, by)


@transaction.atomic
def withdraw_transfer(row: Owned, *, by: User) -> None:
    row = _locked(row)
    _check_owns(by, row)
    _withdraw(row, row.team.filter(role=Role.OWNER))


@transaction.atomic
def change_role(row: Owned, member_id: int, *, role: str, by: User) -> TeamMember:
    """Takes effect at once. Members may give up rights. Raises `RoleTooLow`, `NotFound`."""
    row = _locked(row)
    member = _member(row, member_id)
    is_own = member.user_id == by.pk
    if not (is_own and RIGHTS[Role(role)] <= RIGHTS[Role(member.role)]):
        _check_may_set(by, row, member.role, role)
    if member.role != role:
        before = _facts(member)
        member.role = role
        member.save(update_fields=["role"])
        record(row, "role changed", before=before, after=_facts(member))
    return member


@transaction.atomic
def remove_member(row: Owned, member_id: int, *, by: User) -> None:
    """Ends a role, also one's own, or withdraws an invitation. Takes effect at once."""
    row = _locked(row)
    member = _member(row, member_id)
    if member.user_id != by.pk:
        _check_may_set(by, row, member.role)
    before = _facts(member)
    member.delete()
    record(row, "member removed", before=before, after={})


@transaction.atomic
def accept_invitation(member: TeamMember, user: User) -> TeamMember:
    """Gives the account the role, or the event or series itself. Accepted twice, it stays.

    Raises `NotFound` unless the invitation is to the account's confirmed address, and
    `InvitationExpired`, `AlreadyMember`, `OrganizerRoleRequired`.
    """
    accounts = {user.pk, member.row.organizer_id} if member.role == Role.OWNER else {user.pk}
    locked_accounts = {pk: lock_account(pk) for pk in sorted(accounts)}
    user = locked_accounts[user.pk]
    row = _locked(member.row)
    if member.role == Role.OWNER and row.organizer_id not in accounts:
        raise TemporarilyUnavailable  # transferred meanwhile
    member = _open_invitation(row, member, user)
    if member.state == State.ACTIVE:
        return member
    if member.role == Role.OWNER:
        return _transfer(row, member, user)
    is_member = row.team.filter(user=user).exists()
    if row.organizer_id == user.pk or is_member:
        raise AlreadyMember
    _activate(member, user)
    record(row, "invitation accepted", after=_facts(member))
    return member


@transaction.atomic
def decline_invitation(member: TeamMember, email: str) -> TeamMember:
    """For the owner of the address. Raises `NotFound` if it is no longer open."""
    row = _locked(member.row)
    member = _member(row, member.pk, any_role=True)
    if member.state == State.ACTIVE or member.email != email:
        raise NotFound
    if member.state == State.DECLINED:
        return member
    member.state = State.DECLINED
    member.save(update_fields=["state"])
    record(row, "invitation declined", after=_facts(member))
    return member


@transaction.atomic
def accept_by_link(member: TeamMember, *, password: str | None) -> TeamMember:
    """Accepts an invitation with the link of its e-mail, which proves the address.

    An account that has confirmed the address accepts without more. Otherwise `password` is that of
    a new account, or the new one of an account that has not confirmed the address: a stranger may
    have signed up with it. Raises `PermissionDenied` without a password, `ValidationFailed` for a
    weak one, and as `accept_invitation`.
    """
    user = User.objects.filter(email=member.email).first()
    if user is not None and not user.is_active:
        raise NotFound
    if user is None or not user.email_verified:
        if password is None:
            raise PermissionDenied("Choose a password first.")
        if user is None:
            user = sign_up(email=member.email, password=password)
        else:
            reset_calendar_link(user)  # a stranger may have it
        confirm_email(user, by_owner=True)
        user = set_password(user, password)
    return accept_invitation(member, user)


def end_memberships(user: User, addresses: set[str]) -> None:
    """Removes the roles of an account that ends, and the invitations to its addresses."""
    ended = TeamMember.objects.filter(Q(user=user) | Q(email__in=addresses)).order_by("pk")
    for member in ended.select_related("event", "series"):
        record(member.row, "account ended", before=_facts(member), after={})
    ended.delete()


# --- Steps --------------------------------------------------------------------------------------


def _locked(row: Row) -> Row:
    """The current row, locked. Raises `NotFound` if it is deleted."""
    locked: Any = lock_series(row.pk) if isinstance(row, Series) else lock_event(row.pk)
    return locked  # type: ignore[no-any-return]


def _member(row: Owned, member_id: int, *, any_role: bool = False) -> TeamMember:
    members = row.team.all() if any_role else row.team.members()
    member = members.select_related("user").filter(pk=member_id).first()
    if member is None:
        raise NotFound
    return member


def _open_invitation(row: Owned, member: TeamMember, user: User) -> TeamMember:
    """The current row of an invitation that the account may accept, or has accepted."""
    member = _member(row, member.pk, any_role=True)
    if member.state == State.ACTIVE and member.user_id == user.pk:
        return member
    is_owner = user.is_active and user.email_verified and user.email == member.email
    if not is_owner or member.state != State.INVITED:
        raise NotFound
    if member.has_expired():
        raise InvitationExpired
    return member


def _is_staff(user: User, row: Owned) -> bool:
    return has_staff_right(user, f"events.change_{row._meta.model_name}")


def _facts(member: TeamMember) -> dict[str, Any]:
    """What the audit has of a member. Not the address, since the audit outlives it."""
    facts = {"member": member.pk, "role": member.role}
    return facts if member.user_id is None else {**facts, "user": member.user_id}


def _withdraw(row: Owned, offers: QuerySet[TeamMember]) -> None:
    """Ends open offers to take the event or series over."""
    for offer in offers:
        record(row, "transfer withdrawn", before=_facts(offer), after={})
        offer.delete()


def _check_may_set(by: User, row: Owned, *roles: str) -> None:
    """Raises `RoleTooLow` unless the account may give and end these roles."""
    if _is_staff(by, row):
        return
    role = role_on(by, row)
    if role is None:
        raise PermissionDenied
    if Right.TEAM not in rights_on(by, row):
        raise RoleTooLow(required=roles_with(Right.TEAM))
    if role != Role.OWNER and Role.MANAGER in roles:
        raise RoleTooLow("Only the owner decides about managers.", required=[Role.OWNER.value])


def _check_owns(by: User, row: Owned) -> None:
    if _is_staff(by, row):
        return
    role = role_on(by, row)
    if role is None:
        raise PermissionDenied
    if role != Role.OWNER:
        raise RoleTooLow(required=[Role.OWNER.value])


def _invited(row: Owned, member: TeamMember, role: str, by: User) -> TeamMember:
    """Saves the invitation, and sends its e-mail."""
    now = timezone.now()
    if isinstance(row, Event):
        member.event = row
    else:
        member.series = row
    member.role, member.state, member.invited_by = role, State.INVITED, by
    member.invited_at, member.expires_at = now, now + INVITATION_LIFETIME
    member.save()
    record(row, "invited", after=_facts(member))
    notify(
        "team_invitation",
        key=f"team_invitation:{uuid4()}",
        email=member.email,
        event_id=member.event_id,
        facts={"member": member.pk},
    )
    return member


def _activate(member: TeamMember, user: User) -> None:
    member.state, member.user, member.expires_at = State.ACTIVE, user, None
    member.save()
    User.objects.filter(pk=user.pk).update(has_team=True)


def _transfer(row: Owned, member: TeamMember, user: User) -> TeamMember:
    """Makes the account the owner, and the former owner a manager. Caller holds all locks.

    An erased account, whose offer of a past event is still open, gets no role. The keys of imported
    rows belong to the former owner's files.
    """
    if not user.may_organize:
        raise OrganizerRoleRequired
    former, now = row.organizer, timezone.now()
    of_both = Q(user__in=[user, former]) | Q(email__in=[former.email, user.email])
    row.team.filter(of_both).delete()
    if isinstance(row, Series):
        events = row.events.filter(organizer=former)
        # Offers of the former owner end, and roles that the new owner had.
        TeamMember.objects.filter(Q(role=Role.OWNER) | of_both, event__in=events).delete()
        locked_in_order(events).update(organizer=user, import_key=None, updated_at=now)
        row.organizer = user
        row.save(update_fields=["organizer"])
        save_series(row, now)
    else:
        row.organizer, row.import_key = user, None
        row.series = row.nominal_start = None  # whoever owns the series has no rights on it
        save_edit(row, {"organizer", "import_key", "series", "nominal_start"}, now)
    if former.erased_at is None:
        manager = TeamMember(role=Role.MANAGER, email=former.email, invited_by=user)
        manager.event_id, manager.series_id = member.event_id, member.series_id
        _activate(manager, former)
    record(row, "transferred", before={"organizer": former.pk}, after={"organizer": user.pk})
    member.state, member.expires_at, member.user = State.ACTIVE, None, user
    return member
