"""Changes of the address of a registration, which hand it on, and resending of its e-mail."""

from datetime import timedelta

import pytest
from rest_framework.test import APIClient

from accounts.models import Notification, User
from accounts.services import confirm_email
from accounts.tests.factories import PASSWORD, UserFactory, grant
from config.errors import NotFound
from conftest import NOW
from events.errors import EventCancelled
from events.models import Event
from events.services import cancel_event
from events.tests.factories import EventFactory
from registrations.errors import AlreadyRegistered
from registrations.models import LedgerEntry, Registration
from registrations.services import cancel_registration, edit_registration, register
from registrations.services.integrity import find_faults
from registrations.tests.factories import registered, registered_silently
from registrations.tests.mails import due_mails
from registrations.tickets import manage_link, manage_token

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

LIVE_STATES = ("confirmed", "waitlisted")


@pytest.fixture
def event(olga) -> Event:
    return EventFactory(organizer=olga, name="Talk", max_capacity=1, waitlist_enabled=True)


@pytest.fixture
def bob(event) -> Registration:
    return registered_silently(event, name="Bob", email="bob@example.com")


def path_of(registration: Registration, token: str | None = None) -> str:
    query = f"?token={token}" if token else ""
    return f"/api/registrations/{registration.pk}/{query}"


def with_token(registration: Registration) -> str:
    registration.refresh_from_db()
    return path_of(registration, manage_token(registration.pk, registration.link_version))


def hand_on(client: APIClient, registration: Registration, email: str = "ann@example.com", **more):
    return client.patch(with_token(registration), {"email": email, **more})


def attends(event: Event, user: User) -> Registration:
    return register(
        event.pk, name=user.username, email=user.email, user=user, registered_by=user, notify=False
    )


# --- handing on ---


def test_hand_on_retains_the_row_and_the_seat(anyone, event, bob):
    response = hand_on(anyone, bob, name="Ann")

    body = response.json()
    assert response.status_code == 200
    assert (body["id"], body["status"]) == (str(bob.pk), "confirmed")
    assert (body["name"], body["email"]) == ("Ann", "ann@example.com")
    event.refresh_from_db()
    assert event.registered_count == 1
    assert Registration.objects.count() == 1
    assert list(find_faults()) == []


def test_hand_on_retains_the_place_in_the_queue(anyone, event, bob):
    waiting = registered_silently(event, email="eve@example.com")
    registered_silently(event, email="zoe@example.com")

    body = hand_on(anyone, waiting).json()

    assert (body["status"], body["waitlist_position"]) == ("waitlisted", 1)


def test_old_ticket_and_token_become_invalid_at_once(anyone, olga, signed_in, event, bob):
    old_path, old_code = with_token(bob), bob.ticket_code

    hand_on(anyone, bob)

    bob.refresh_from_db()
    assert bob.ticket_code != old_code
    assert anyone.get(old_path).status_code == 404
    assert anyone.delete(old_path).status_code == 404
    assert anyone.get(manage_link(bob.pk)).status_code == 404
    scan = signed_in(olga).post(f"/api/events/{event.pk}/check-in/", {"ticket_code": old_code})
    assert scan.status_code == 404
    assert anyone.get(with_token(bob)).json()["ticket_code"] == bob.ticket_code


def test_response_shows_neither_token_nor_ticket(anyone, bob):
    response = hand_on(anyone, bob)

    bob.refresh_from_db()
    assert response.json()["ticket_code"] is None
    for secret in (bob.ticket_code, manage_token(bob.pk, bob.link_version)):
        assert secret not in response.content.decode()


def test_both_addresses_are_notified_and_the_new_one_gets_ticket_and_link(anyone, bob):
    hand_on(anyone, bob, name="Ann")

    bob.refresh_from_db()
    mails = {mail.to: mail for mail in due_mails()}
    assert mails.keys() == {"bob@example.com", "ann@example.com"}
    new, old = mails["ann@example.com"], mails["bob@example.com"]
    assert (new.kind, old.kind) == ("registration_confirmed", "registration_handed_on")
    assert manage_link(bob.pk, bob.link_version) in new.text
    assert (bob.ticket_code in new.text, new.has_ticket) == (True, True)
    assert old.method == "CANCEL"
    for part in (old.text, old.html, old.notice, old.calendar):
        for secret in (bob.ticket_code, "/registrations/", "ann@example.com", "Ann"):
            assert secret not in part


def test_hand_on_of_a_waitlisted_registration_sends_the_waitlist_mail(anyone, event, bob):
    waiting = registered_silently(event, email="eve@example.com")

    hand_on(anyone, waiting)

    assert {mail.to: mail.kind for mail in due_mails()} == {
        "eve@example.com": "registration_handed_on",
        "ann@example.com": "registration_waitlisted",
    }


def test_mails_that_were_queued_for_the_old_address_are_dropped(anyone, event):
    bob = registered(event, email="bob@example.com")

    hand_on(anyone, bob)

    assert [(mail.kind, mail.to) for mail in due_mails()] == [
        ("registration_handed_on", "bob@example.com"),
        ("registration_confirmed", "ann@example.com"),
    ]


def test_registration_of_a_user_leaves_the_account(ana, event, signed_in):
    registration = attends(event, ana)
    client = signed_in(ana)

    response = client.patch(path_of(registration), {"email": "ann@example.com"})

    assert response.status_code == 200
    assert client.get(path_of(registration)).status_code == 404
    assert client.get("/api/me/registrations/").json()["results"] == []


def test_hand_on_assigns_the_account_that_confirmed_the_new_address(anyone, bob, signed_in):
    kim = UserFactory(email="kim@example.com", email_verified_at=NOW)
    lea = UserFactory(email="lea@example.com", email_verified_at=None)

    hand_on(anyone, bob, "kim@example.com")
    assert signed_in(kim).get(path_of(bob)).status_code == 200

    hand_on(anyone, bob, "lea@example.com")
    assert signed_in(kim).get(path_of(bob)).status_code == 404
    assert signed_in(lea).get(path_of(bob)).status_code == 404


def test_manager_of_a_guest_registration_never_sees_the_new_holders_ticket(max_, event, signed_in):
    client = signed_in(max_)
    made = client.post(
        f"/api/events/{event.pk}/register/", {"name": "Bob", "email": "bob@exmaple.com"}
    ).json()
    path = f"/api/registrations/{made['id']}/"

    assert client.patch(path, {"email": "bob@example.com"}).status_code == 200

    assert client.get(path).status_code == 404
    assert client.patch(path, {"email": "max@example.com"}).status_code == 404


def test_organizer_and_staff_correct_an_address(olga, sam, bob, signed_in):
    grant(sam, "registrations.change_registration")
    for user, email in ((olga, "b1@example.com"), (sam, "b2@example.com")):
        response = signed_in(user).patch(path_of(bob), {"email": email})

        assert response.json()["email"] == email
    reasons = LedgerEntry.objects.filter(kind="handed_on").values_list("reason", "actor")
    assert list(reasons) == [("by_organizer", olga.pk), ("by_staff", sam.pk)]


def test_strangers_correct_nothing(anyone, max_, bob, signed_in):
    for client in (anyone, signed_in(max_)):
        assert client.patch(path_of(bob), {"email": "x@example.com"}).status_code == 404


def test_same_mailbox_in_another_spelling_changes_nothing(anyone, bob):
    path, code = with_token(bob), bob.ticket_code

    response = anyone.patch(path, {"email": "  BOB@Example.COM "})

    assert response.status_code == 200
    assert response.json()["ticket_code"] == code
    assert anyone.get(path).status_code == 200
    assert due_mails() == []
    assert LedgerEntry.objects.filter(kind="handed_on").count() == 0


def test_address_that_is_registered_is_refused(anyone, event, bob):
    registered_silently(event, email="eve@example.com")

    response = hand_on(anyone, bob, "EVE@example.com", name="Eve")

    assert (response.status_code, response.json()["code"]) == (409, "already_registered")
    bob.refresh_from_db()
    assert (bob.name, bob.email) == ("Bob", "bob@example.com")


def test_address_of_a_cancelled_registration_is_free(anyone, event, bob):
    eve = registered_silently(event, email="eve@example.com")
    cancel_registration(eve)

    assert hand_on(anyone, bob, "eve@example.com").status_code == 200


@pytest.mark.parametrize(
    ("is_cancelled", "days", "code"),
    [
        (False, 31, "event_started"),
        (True, 31, "event_started"),
        (True, 0, "registration_cancelled"),
    ],
)
def test_address_can_no_longer_be_corrected(anyone, bob, clock, is_cancelled, days, code):
    if is_cancelled:
        cancel_registration(bob)
    clock.shift(timedelta(days=days))

    response = hand_on(anyone, bob)

    assert (response.status_code, response.json()["code"]) == (409, code)


def test_registration_for_a_cancelled_event_is_not_handed_on(anyone, event, bob):
    cancel_event(event)

    assert hand_on(anyone, bob).json()["code"] == EventCancelled.code


def test_bad_address_is_a_field_error(anyone, bob):
    response = hand_on(anyone, bob, "no address")

    assert response.json()["errors"][0]["field"] == "email"


def test_name_alone_is_corrected_as_before(anyone, bob):
    path = with_token(bob)

    response = anyone.patch(path, {"name": "Bob Ray"})

    assert (response.json()["name"], response.json()["ticket_code"]) == ("Bob Ray", bob.ticket_code)


def test_handing_on_counts_as_a_guest_registration(anyone, event, bob, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "register": (1, 60)}

    renamed = [anyone.patch(with_token(bob), {"name": name}).status_code for name in ("A", "B")]
    first = hand_on(anyone, bob, "a@example.com")
    second = hand_on(anyone, bob, "b@example.com")

    assert renamed == [200, 200]
    assert (first.status_code, second.status_code) == (200, 429)
    assert "Retry-After" in second.headers


def test_replayed_response_of_registering_opens_nothing(anyone, olga, signed_in):
    event = EventFactory()
    keyed = {"Idempotency-Key": "k"}
    guest = {"name": "Bob", "email": "bob@example.com"}
    made = anyone.post(f"/api/events/{event.pk}/register/", guest, headers=keyed).json()
    path = f"/api/registrations/{made['id']}/?token={made['manage_token']}"

    assert anyone.patch(path, {"email": "ann@example.com"}).status_code == 200

    replay = anyone.post(f"/api/events/{event.pk}/register/", guest, headers=keyed)
    assert replay["Idempotent-Replayed"] == "true"
    token = replay.json()["manage_token"]
    assert anyone.get(f"/api/registrations/{made['id']}/?token={token}").status_code == 404
    assert Registration.objects.count() == 1


def test_ledger_shows_the_hand_over(anyone, olga, event, bob, signed_in):
    hand_on(anyone, bob)

    entry = signed_in(olga).get(f"/api/events/{event.pk}/ledger/").json()["results"][-1]

    assert (entry["kind"], entry["reason"], entry["actor"]) == ("handed_on", "by_guest", None)


def test_race_that_the_check_cannot_see_is_stopped_by_the_constraint(event, bob, monkeypatch):
    registered_silently(event, email="ann@example.com")
    monkeypatch.setattr(
        "registrations.services.editing._check_may_be_handed_on", lambda *facts: None
    )

    with pytest.raises(AlreadyRegistered):
        edit_registration(bob, email="ann@example.com")


# --- resending ---


@pytest.mark.parametrize("number", [0, 1])
def test_confirmation_is_sent_again_and_earlier_links_stay_valid(anyone, event, bob, number):
    registration = (bob, registered_silently(event, email="eve@example.com"))[number]
    path = with_token(registration)

    response = anyone.post(path.replace("/?", "/resend/?"))

    (mail,) = due_mails()
    assert (response.status_code, response.content) == (202, b"")
    assert (mail.to, mail.kind) == (registration.email, f"registration_{LIVE_STATES[number]}")
    assert manage_link(registration.pk) in mail.text
    assert anyone.get(path).status_code == 200


def test_confirmation_is_sent_once_in_a_while(anyone, bob, clock):
    path = with_token(bob).replace("/?", "/resend?")

    statuses = [anyone.post(path).status_code for _ in range(3)]
    first = len(due_mails())
    clock.shift(15 * 60)
    statuses.append(anyone.post(path).status_code)

    assert statuses == [202] * 4
    assert (first, len(due_mails())) == (1, 1)


def test_confirmations_of_two_registrations_of_a_mailbox_are_two(anyone, olga, bob):
    other = registered_silently(EventFactory(organizer=olga), email=bob.email)

    for registration in (bob, other):
        anyone.post(with_token(registration).replace("/?", "/resend?"))

    assert {mail.to for mail in due_mails()} == {bob.email}
    assert Notification.objects.count() == 2


def test_requests_for_mails_to_an_address_do_not_keep_its_owner_out(
    anyone, ana, bob, signed_in, settings
):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "mails": (3, 3600)}
    path = with_token(bob).replace("/?", "/resend?")

    statuses = [anyone.post(path).status_code for _ in range(4)]
    response = signed_in(ana).patch("/api/me/", {"email": bob.email})

    assert statuses == [202, 202, 202, 429]
    assert response.status_code == 200


def test_registrations_that_are_handed_on_to_an_address_do_not_keep_its_owner_out(
    event, olga, ana, bob, signed_in, settings
):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "mails": (1, 3600)}
    organizer = signed_in(olga)
    path = f"/api/registrations/{bob.pk}/"

    first = organizer.patch(path, {"email": "new@example.com"})
    second = organizer.patch(path, {"email": "newer@example.com"})
    response = signed_in(ana).patch("/api/me/", {"email": "new@example.com"})

    assert (first.status_code, second.status_code) == (200, 429)
    assert response.status_code == 200


def test_confirmation_of_a_cancelled_registration_is_refused(anyone, bob):
    cancel_registration(bob)
    due_mails()

    response = anyone.post(with_token(bob).replace("/?", "/resend/?"))

    assert (response.status_code, response.json()["code"]) == (409, "registration_cancelled")
    assert due_mails() == []


def test_resending_is_limited_for_each_registration(anyone, olga, bob, signed_in, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "mails": (1, 3600)}
    path = f"/api/registrations/{bob.pk}/resend/"

    first = signed_in(olga).post(path)
    second = anyone.post(with_token(bob).replace("/?", "/resend/?"))

    assert (first.status_code, second.status_code) == (202, 429)
    assert "Retry-After" in second.headers


# --- the end of cancelling ---


@pytest.fixture
def closing(olga) -> Event:
    """Cancelling ends five days before the start."""
    return EventFactory(
        organizer=olga,
        max_capacity=1,
        waitlist_enabled=True,
        cancellation_closes_at=NOW + timedelta(days=25),
    )


def test_attendees_cancel_until_cancellation_closes(anyone, closing, clock):
    bob = registered_silently(closing)
    clock.shift(timedelta(days=25) - timedelta(seconds=1))

    assert anyone.delete(with_token(bob)).status_code == 204


def test_attendees_no_longer_cancel_after_it(anyone, ana, closing, clock, signed_in):
    Event.objects.filter(pk=closing.pk).update(max_capacity=2)
    bob, own = registered_silently(closing), attends(closing, ana)
    clock.shift(timedelta(days=25))

    responses = [anyone.delete(with_token(bob)), signed_in(ana).delete(path_of(own))]

    for response in responses:
        assert (response.status_code, response.json()["code"]) == (409, "cancellation_closed")
        assert response.json()["closed_at"] == "2027-02-09T12:00:00Z"
    assert Registration.objects.live().count() == 2


def test_organizer_and_staff_still_cancel(olga, sam, closing, clock, signed_in):
    bob, eve = registered_silently(closing), registered_silently(closing)
    clock.shift(timedelta(days=26))
    grant(sam, "registrations.change_registration")

    statuses = [
        signed_in(olga).delete(path_of(bob)).status_code,
        signed_in(sam).delete(path_of(eve)).status_code,
    ]

    assert statuses == [204, 204]


def test_waitlisted_registration_is_cancelled_until_the_start(anyone, closing, clock):
    registered_silently(closing)
    waiting = registered_silently(closing)
    clock.shift(timedelta(days=29))

    assert anyone.delete(with_token(waiting)).status_code == 204


def test_started_event_takes_precedence(anyone, closing, clock):
    bob = registered_silently(closing)
    clock.shift(timedelta(days=31))

    assert anyone.delete(with_token(bob)).json()["code"] == "event_started"


def test_registration_for_a_cancelled_event_may_be_cancelled_at_any_time(anyone, closing, clock):
    bob = registered_silently(closing)
    cancel_event(closing)
    clock.shift(timedelta(days=26))

    assert anyone.delete(with_token(bob)).status_code == 204


def test_cancelled_registration_stays_cancelled_after_it(anyone, closing, clock):
    bob = registered_silently(closing)
    cancel_registration(bob)
    clock.shift(timedelta(days=26))

    assert anyone.delete(with_token(bob)).status_code == 204


def test_account_that_ends_frees_its_seat_after_it(ana, closing, clock, signed_in):
    own = attends(closing, ana)
    clock.shift(timedelta(days=26))

    response = signed_in(ana).delete("/api/me/", {"password": PASSWORD})

    own.refresh_from_db()
    assert (response.status_code, own.status) == (204, "cancelled")


@pytest.mark.parametrize(
    "change",
    [
        lambda row: edit_registration(row, email="eve@example.com"),
        lambda row: confirm_email(UserFactory(email=row.email)),
        lambda row: Registration.objects.filter(pk=row.pk).erase_people(),
    ],
    ids=["handed on", "joined an account", "erased"],
)
def test_name_is_not_corrected_by_whoever_held_the_registration_before(bob, change):
    """The request that renames read the registration before it changed hands."""
    change(Registration.objects.get(pk=bob.pk))
    name = Registration.objects.get(pk=bob.pk).name

    with pytest.raises(NotFound):
        edit_registration(bob, name="Mallory")

    assert Registration.objects.get(pk=bob.pk).name == name
