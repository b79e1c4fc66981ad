"""Registrations of an account whose address changes, while others change them."""

from collections.abc import Callable

import pytest

from accounts.links import confirmation_link
from accounts.models import Notification, User
from accounts.services import confirm_address, confirm_email, edit_profile
from accounts.tests.factories import UserFactory
from accounts.tests.test_links import token_in
from config.errors import DomainError
from events.models import Event
from events.services import edit_event
from events.tests.factories import EventFactory
from registrations.models import Registration
from registrations.services import cancel_registration, edit_registration, register
from registrations.services.integrity import find_faults
from registrations.tests.concurrency import at_once
from registrations.tests.factories import registered

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("races")]

FORMER, NEW = "ana@example.com", "ana@new.example.org"


@pytest.fixture
def ana() -> User:
    return confirm_email(UserFactory(username="ana", email=FORMER), by_owner=True)


def register_account(event: Event, user: User) -> Registration:
    return registered(event, email=user.email, user=user, registered_by=user)


def confirming(user: User, address: str) -> Callable[[], str]:
    """A call that confirms the account's new address."""
    edit_profile(user, {"email": address})
    token = token_in(confirmation_link(User.objects.get(pk=user.pk)))
    return outcome_of(lambda: confirm_address(token, by=user))


def outcome_of(call: Callable[[], object]) -> Callable[[], str]:
    """The call, with the code of its error or `done` as the result."""

    def run() -> str:
        try:
            call()
        except DomainError as error:
            return error.code
        return "done"

    return run


def state(registration: Registration) -> tuple[str, str, int]:
    registration.refresh_from_db()
    return registration.email, registration.status, registration.link_version


def assert_sound() -> None:
    assert list(find_faults()) == []


@pytest.mark.parametrize("_round", range(3))
def test_two_accounts_that_move_at_the_same_events_do_not_deadlock(ana, _round):
    max_ = confirm_email(UserFactory(username="max", email="max@example.com"), by_owner=True)
    events = EventFactory.create_batch(6)
    for event in events:
        register_account(event, ana)
    for event in reversed(events):
        register_account(event, max_)
    calls = confirming(ana, NEW), confirming(max_, "max@new.example.org")

    outcomes = at_once(*calls)

    assert outcomes == ["done", "done"]
    addresses = Registration.objects.values_list("email", flat=True)
    assert sorted(addresses) == [NEW] * 6 + ["max@new.example.org"] * 6
    assert_sound()


@pytest.mark.parametrize("_round", range(3))
def test_link_that_is_followed_twice_at_once_moves_a_registration_once(ana, _round):
    registration = register_account(EventFactory(), ana)
    call = confirming(ana, NEW)

    at_once(call, call)

    assert state(registration) == (NEW, "confirmed", 1)
    assert_sound()


@pytest.mark.parametrize("_round", range(3))
def test_move_and_cancellation_at_once_leave_one_of_both_results(ana, _round):
    event = EventFactory(max_capacity=1, waitlist_enabled=True)
    registration, next_in_queue = register_account(event, ana), registered(event)

    outcomes = at_once(
        confirming(ana, NEW), outcome_of(lambda: cancel_registration(registration, by=ana))
    )

    next_in_queue.refresh_from_db()
    assert (outcomes, state(registration), next_in_queue.status) in [
        (["done", "done"], (FORMER, "cancelled", 0), "confirmed"),
        (["done", "not_found"], (NEW, "confirmed", 1), "waitlisted"),
    ]
    assert_sound()


@pytest.mark.parametrize("_round", range(3))
def test_move_and_promotion_at_once_mail_the_promotion_to_the_new_address(ana, _round):
    event = EventFactory(max_capacity=1, waitlist_enabled=True)
    registered(event)
    registration = register_account(event, ana)

    outcomes = at_once(
        confirming(ana, NEW), outcome_of(lambda: edit_event(event, {"max_capacity": 3}))
    )

    assert outcomes == ["done", "done"]
    assert state(registration) == (NEW, "confirmed", 1)
    mails = Notification.objects.filter(registration_id=registration.pk)
    assert sorted(mails.values_list("kind", "email")) == [
        ("registration_promoted", NEW),
        ("registration_waitlisted", NEW),
    ]
    assert_sound()


@pytest.mark.parametrize("_round", range(3))
def test_move_and_hand_on_at_once_leave_one_of_both_results(ana, _round):
    registration = register_account(EventFactory(), ana)

    outcomes = at_once(
        confirming(ana, NEW),
        outcome_of(lambda: edit_registration(registration, email="bob@example.com", by=ana)),
    )

    assert (outcomes, state(registration)) in [
        (["done", "done"], ("bob@example.com", "confirmed", 1)),
        (["done", "not_found"], (NEW, "confirmed", 1)),
    ]
    assert_sound()


@pytest.mark.parametrize("_round", range(3))
def test_move_and_registration_of_one_address_at_once_leave_one_live_registration(ana, _round):
    event = EventFactory()
    registration = register_account(event, ana)

    outcomes = at_once(
        confirming(ana, NEW), outcome_of(lambda: register(event.pk, name="Ana", email=NEW))
    )

    assert (outcomes, state(registration)) in [
        (["done", "done"], (FORMER, "confirmed", 0)),
        (["done", "already_registered"], (NEW, "confirmed", 1)),
    ]
    assert Registration.objects.live().filter(event=event, email=NEW).count() == 1
    assert_sound()
