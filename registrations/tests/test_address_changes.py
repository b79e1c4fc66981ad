"""What becomes of an account's registrations when its e-mail address changes."""

from datetime import timedelta

import pytest
from rest_framework.test import APIClient

from accounts.links import confirmation_link, recovery_link
from accounts.models import User
from accounts.services import confirm_address, confirm_email, edit_profile, reset_password
from accounts.tests.factories import PASSWORD, UserFactory, grant
from accounts.tests.test_links import NEW_PASSWORD, token_in, verify
from conftest import NOW
from events.models import Event
from events.services import cancel_event
from events.tests.factories import EventFactory
from registrations.models import LedgerEntry, Registration
from registrations.services.accounts import settle_accounts
from registrations.tests.factories import registered, registered_silently
from registrations.tests.mails import due_mails
from registrations.tickets import manage_link

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

VICTIM, HOME, NEW = "victim@example.com", "ana@example.com", "ana@new.example.org"


@pytest.fixture
def squatter() -> User:
    """Has signed up with the address of somebody else."""
    return UserFactory(username="squatter", email=VICTIM)


@pytest.fixture
def confirmed_ana(ana) -> User:
    return confirm_email(ana, by_owner=True)


def own(event: Event, user: User) -> Registration:
    return registered(event, email=user.email, user=user, registered_by=user)


def current(user: User) -> User:
    return User.objects.get(pk=user.pk)


def confirm(user: User) -> User:
    confirm_address(token_in(confirmation_link(current(user))), by=user)
    return current(user)


def move(user: User, address: str) -> User:
    """To another confirmed address."""
    edit_profile(user, {"email": address})
    return confirm(user)


def sign_up(address: str) -> User:
    """Somebody who reads the mail of the address, and confirms it."""
    return confirm(UserFactory(username="owner", email=address))


def holders() -> list[tuple[str, str | None]]:
    """Of each registration, the address and the name of its account."""
    rows = Registration.objects.order_by("registered_at", "event_id", "email")
    return list(rows.values_list("email", "user__username"))


# --- an address that was never confirmed ---


def test_account_that_leaves_an_unconfirmed_address_takes_its_registrations_along(
    event, squatter, signed_in
):
    client = signed_in(squatter)
    made = client.post(f"/api/events/{event.pk}/register/", {}).json()

    client.patch("/api/me/", {"email": "att@evil.example"})

    assert holders() == [("att@evil.example", "squatter")]
    assert client.get(f"/api/registrations/{made['id']}/").json()["email"] == "att@evil.example"


def test_owner_of_an_address_registers_where_a_stranger_had_registered_it(
    anyone, event, squatter, signed_in
):
    signed_in(squatter).post(f"/api/events/{event.pk}/register/", {})
    signed_in(squatter).patch("/api/me/", {"email": "att@evil.example"})
    confirm(squatter)
    made = anyone.post("/api/register/", {"email": VICTIM, "password": PASSWORD}).json()
    verify(token_in(confirmation_link(User.objects.get(pk=made["id"]))), password=PASSWORD)
    owner = APIClient()
    owner.credentials(HTTP_AUTHORIZATION=f"Bearer {made['access']}")

    response = owner.post(f"/api/events/{event.pk}/register/", {})

    assert (response.status_code, response.json()["email"]) == (201, VICTIM)


def test_registration_that_cannot_move_leaves_an_account_that_never_confirmed_its_address(
    event, squatter, signed_in
):
    registered(event, email="att@evil.example")
    row = own(event, squatter)

    edit_profile(squatter, {"email": "att@evil.example"})

    row.refresh_from_db()
    assert (row.email, row.user, row.registered_by, row.link_version) == (VICTIM, None, None, 1)
    client = signed_in(squatter)
    assert client.get(f"/api/registrations/{row.pk}/").status_code == 404
    assert client.delete(f"/api/registrations/{row.pk}/").status_code == 404


def test_registration_that_left_an_account_joins_that_of_the_owner(event, squatter):
    registered(event, email="att@evil.example")
    row = own(event, squatter)
    edit_profile(squatter, {"email": "att@evil.example"})

    owner = sign_up(VICTIM)

    row.refresh_from_db()
    assert (row.user, row.link_version) == (owner, 2)


def test_past_and_cancelled_registrations_leave_an_unconfirmed_address_too(
    clock, olga, squatter, signed_in
):
    over, ahead = EventFactory(organizer=olga, start_time=NOW + timedelta(hours=1)), EventFactory()
    own(over, squatter)
    cancelled = own(ahead, squatter)
    signed_in(squatter).delete(f"/api/registrations/{cancelled.pk}/")
    clock.shift(timedelta(days=2))

    edit_profile(squatter, {"email": "att@evil.example"})

    assert holders() == [("att@evil.example", "squatter")] * 2


def test_address_that_staff_correct_takes_the_registrations_along(event, ana, sam, signed_in):
    own(event, ana)
    staff = grant(sam, "accounts.change_user")
    signed_in(staff).patch(f"/api/users/{ana.pk}/", {"email": NEW})

    confirm(ana)

    assert holders() == [(NEW, "ana")]


def test_owner_gets_a_registration_that_another_account_made_while_it_moved(event, squatter):
    """The request that registers read the account before its address changed."""
    edit_profile(squatter, {"email": "att@evil.example"})
    row = registered(event, email=VICTIM, user=squatter, registered_by=squatter)

    owner = sign_up(VICTIM)

    row.refresh_from_db()
    assert (row.user, row.registered_by, row.link_version) == (owner, None, 1)


def test_registration_made_while_its_account_moved_follows_it(event, squatter):
    edit_profile(squatter, {"email": "att@evil.example"})
    registered(event, email=VICTIM, user=squatter, registered_by=squatter)

    settle_accounts()

    assert holders() == [("att@evil.example", "squatter")]


# --- a confirmed address ---


def test_registrations_of_a_confirmed_account_go_to_its_new_address(
    anyone, event, confirmed_ana, signed_in
):
    row = own(event, confirmed_ana)
    former_link = manage_link(row.pk, row.link_version)
    due_mails()

    move(confirmed_ana, NEW)
    signed_in(confirmed_ana).post(f"/api/registrations/{row.pk}/resend/")

    row.refresh_from_db()
    assert (row.email, row.user, row.link_version) == (NEW, confirmed_ana, 1)
    assert anyone.get(former_link).status_code == 404
    assert ("registration_confirmed", NEW) in [(mail.kind, mail.to) for mail in due_mails()]
    cancel_event(event)
    assert [(mail.kind, mail.to) for mail in due_mails()] == [("event_cancelled", NEW)]
    assert Registration.objects.get().ticket_code == row.ticket_code


def test_pending_change_moves_nothing(event, confirmed_ana):
    own(event, confirmed_ana)

    edit_profile(confirmed_ana, {"email": NEW})

    assert holders() == [(HOME, "ana")]


def test_past_registrations_keep_a_confirmed_address(clock, olga, confirmed_ana):
    own(EventFactory(organizer=olga, start_time=NOW + timedelta(hours=1)), confirmed_ana)
    clock.shift(timedelta(days=2))

    move(confirmed_ana, NEW)

    assert holders() == [(HOME, "ana")]


def test_registration_stays_where_the_new_address_has_one(event, confirmed_ana):
    row = own(event, confirmed_ana)
    registered(event, email=NEW)

    move(confirmed_ana, NEW)

    row.refresh_from_db()
    assert (row.email, row.user, row.link_version) == (HOME, confirmed_ana, 0)
    assert sorted(holders()) == [(HOME, "ana"), (NEW, "ana")]


def test_recovered_account_has_its_registrations_at_its_own_address(event, confirmed_ana):
    own(event, confirmed_ana)
    moved = move(confirmed_ana, "thief@evil.example")

    reset_password(token_in(recovery_link(moved, HOME)), NEW_PASSWORD)

    assert holders() == [(HOME, "ana")]


def test_mails_that_are_not_sent_yet_go_to_the_new_address(event, confirmed_ana):
    own(event, confirmed_ana)

    move(confirmed_ana, NEW)

    mails = [(mail.kind, mail.to) for mail in due_mails() if mail.kind.startswith("registration")]
    assert mails == [("registration_confirmed", NEW)]


def test_ledger_has_who_moved_a_registration(event, confirmed_ana):
    registered_silently(event, email=HOME, user=confirmed_ana, registered_by=confirmed_ana)

    move(confirmed_ana, NEW)

    entry = LedgerEntry.objects.latest("pk")
    assert (entry.kind, entry.reason, entry.actor) == ("handed_on", "by_attendee", confirmed_ana)
