"""Who gets in: approval, codes, and addresses that guests confirm first."""

import html
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from rest_framework.test import APIClient

from accounts.models import Notification
from accounts.notifications.composing import compose_several
from accounts.notifications.kinds import find_kind
from accounts.tests.factories import UserFactory, key_client
from conftest import NOW
from events.access_keys import key_of_event
from events.links import page_url
from events.models import Event
from events.services import cancel_event
from events.tests.factories import EventFactory, with_role
from registrations.models import AddressConfirmation, LedgerEntry, Registration
from registrations.services import approve, create_code, decide, reject
from registrations.services.confirmations import delete_old_confirmations
from registrations.services.deciding import Decision
from registrations.services.integrity import find_faults, repair_counters
from registrations.tests.factories import registered
from registrations.tests.mails import due_mails
from registrations.tickets import confirmation_link, confirmation_token, manage_token

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

BOB = {"name": "Bob", "email": "bob@example.com"}


@pytest.fixture(autouse=True)
def _no_faults(request):
    yield
    assert list(find_faults()) == []


@pytest.fixture
def by_approval(olga) -> Event:
    return EventFactory(
        organizer=olga, max_capacity=2, max_party_size=3, registration_mode="approval"
    )


@pytest.fixture
def by_code(olga) -> Event:
    return EventFactory(organizer=olga, max_capacity=2, registration_mode="code")


@pytest.fixture
def by_address(olga) -> Event:
    return EventFactory(organizer=olga, max_capacity=2, registration_mode="confirm_address")


@pytest.fixture
def organizer(signed_in, olga):
    return signed_in(olga)


def register(client, event: Event, **fields: object):
    return client.post(f"/api/events/{event.pk}/register/", {**BOB, **fields}, format="json")


def pending(event: Event, **fields: object) -> Registration:
    number = event.registrations.count()
    person = {"name": "Bob", "email": f"bob{number}@example.com", **fields}
    made = APIClient().post(f"/api/events/{event.pk}/register/", person, format="json")
    assert made.json()["status"] == "pending", made.content
    return Registration.objects.get(pk=made.json()["id"])


def decided(client, registration: Registration, action: str, **body: object):
    path = f"/api/registrations/{registration.pk}/{action}/"
    return client.post(path, body, format="json")


def counts(event: Event) -> tuple[int, int, int]:
    event.refresh_from_db()
    return event.registered_count, event.waitlist_count, event.pending_count


# --- Approval -----------------------------------------------------------------------------------


def test_registration_is_pending_without_a_seat(anyone, by_approval):
    made = register(anyone, by_approval, party_size=2)

    assert made.status_code == 201
    assert made.json()["status"] == "pending"
    assert made.json()["manage_token"]
    assert made.json()["waitlist_position"] is None
    assert counts(by_approval) == (0, 0, 2)
    assert LedgerEntry.objects.get().kind == "pending"


def test_approval_gives_a_seat_and_notifies(organizer, by_approval):
    registration = pending(by_approval, party_size=2)

    approved = decided(organizer, registration, "approve")
    again = decided(organizer, registration, "approve")

    assert (approved.status_code, approved.json()["status"]) == (200, "confirmed")
    assert (again.status_code, again.json()["status"]) == (200, "confirmed")
    assert counts(by_approval) == (2, 0, 0)
    assert [mail.kind for mail in due_mails()] == ["registration_confirmed"]


def test_approval_of_a_full_event_leaves_it_pending(organizer, by_approval):
    first, second = pending(by_approval, party_size=2), pending(by_approval)
    approve(first, by=by_approval.organizer)

    refused = decided(organizer, second, "approve")

    assert (refused.status_code, refused.json()["code"]) == (409, "event_full")
    second.refresh_from_db()
    assert second.status == "pending"
    assert counts(by_approval) == (2, 0, 1)


def test_approval_of_a_full_event_with_a_waitlist_queues_at_the_end(organizer, by_approval, olga):
    Event.objects.filter(pk=by_approval.pk).update(waitlist_enabled=True)
    first, second = pending(by_approval, party_size=2), pending(by_approval)
    approve(first, by=olga)

    queued = decided(organizer, second, "approve")

    assert queued.json()["status"] == "waitlisted"
    assert queued.json()["waitlist_position"] == 1
    assert counts(by_approval) == (2, 1, 0)


def test_rejection_is_final_for_the_person_and_can_be_taken_back(
    organizer, by_approval, signed_in, anyone, ana
):
    own = signed_in(ana)
    made = own.post(f"/api/events/{by_approval.pk}/register/")
    registration = Registration.objects.get(pk=made.json()["id"])

    rejected = decided(organizer, registration, "reject", reason="Beginners only.")
    again = decided(organizer, registration, "reject")
    registered_again = own.post(f"/api/events/{by_approval.pk}/register/")
    by_stranger = register(anyone, by_approval, email=ana.email)
    cancelled = own.delete(f"/api/registrations/{registration.pk}/")
    approved = decided(organizer, registration, "approve")
    mails = due_mails()
    reopened = decided(organizer, registration, "reopen")

    assert (rejected.status_code, rejected.json()["status"]) == (200, "rejected")
    assert (again.status_code, again.json()["status"]) == (200, "rejected")
    assert registered_again.json()["code"] == "registration_rejected"
    assert by_stranger.json()["code"] == "already_registered"
    assert (cancelled.status_code, cancelled.json()["code"]) == (409, "registration_rejected")
    assert (approved.status_code, approved.json()["code"]) == (409, "not_pending")
    assert any("Beginners only." in mail.text for mail in mails)
    assert reopened.json()["status"] == "pending"
    assert counts(by_approval) == (0, 0, 1)


@pytest.mark.parametrize("action", ["reject", "reopen"])
def test_confirmed_registration_is_not_decided_on(organizer, by_approval, olga, action):
    registration = approve(pending(by_approval), by=olga)

    refused = decided(organizer, registration, action)

    assert (refused.status_code, refused.json()["code"]) == (409, "not_pending")


def test_approval_works_after_registration_has_closed_but_not_after_the_start(
    organizer, signed_in, olga, by_approval, clock
):
    first, second = pending(by_approval), pending(by_approval)
    Event.objects.filter(pk=by_approval.pk).update(registration_closes_at=NOW)

    approved = decided(organizer, first, "approve")
    clock.move_to(by_approval.start_time)
    late = decided(signed_in(olga), second, "approve")

    assert approved.status_code == 200
    assert (late.status_code, late.json()["code"]) == (409, "event_started")


@pytest.mark.parametrize("route", ["approve", "decide"])
def test_approval_after_registration_has_closed_gives_free_seats_to_the_waitlist(
    organizer, by_approval, clock, route
):
    Event.objects.filter(pk=by_approval.pk).update(
        max_capacity=1, waitlist_enabled=True, registration_closes_at=NOW + timedelta(minutes=1)
    )
    first, second, third = (pending(by_approval) for _ in range(3))
    clock.move_to(NOW + timedelta(minutes=2))
    for row in (first, second):
        decided(organizer, row, "approve")
    organizer.delete(f"/api/registrations/{first.pk}/")
    before = counts(by_approval)

    for row in (third, second):
        if route == "approve":
            decided(organizer, row, "approve")
        else:
            decide(by_approval, [row.pk], Decision.APPROVE, by=by_approval.organizer)

    rows = by_approval.registrations.in_bulk()
    statuses = [rows[row.pk].status for row in (first, second, third)]
    assert before == (0, 1, 1)
    assert statuses == ["cancelled", "confirmed", "waitlisted"]
    assert counts(by_approval) == (1, 1, 0)


def test_approving_a_waitlisted_registration_again_gives_it_a_free_seat(
    organizer, by_approval, clock
):
    Event.objects.filter(pk=by_approval.pk).update(
        max_capacity=1, waitlist_enabled=True, registration_closes_at=NOW + timedelta(minutes=1)
    )
    first, second = pending(by_approval), pending(by_approval)
    clock.move_to(NOW + timedelta(minutes=2))
    for row in (first, second):
        decided(organizer, row, "approve")
    organizer.delete(f"/api/registrations/{first.pk}/")

    dry = organizer.post(f"/api/registrations/{second.pk}/approve/?dry_run=true").json()
    again = decided(organizer, second, "approve")

    assert (dry["result"]["status"], dry["effects"]["promoted"]) == ("confirmed", 1)
    assert (again.status_code, again.json()["status"]) == (200, "confirmed")


@pytest.mark.parametrize("action", ["approve", "reopen", "reject"])
def test_nothing_is_decided_on_an_erased_person(organizer, by_approval, action):
    registration = pending(by_approval)
    if action == "reopen":
        reject(registration, by=by_approval.organizer)
    before = Registration.objects.get(pk=registration.pk).status
    Registration.objects.filter(pk=registration.pk).erase_people()
    due_mails()

    refused = decided(organizer, registration, action)

    registration.refresh_from_db()
    assert (refused.status_code, refused.json()["code"]) == (409, "not_pending")
    assert registration.status == before
    assert due_mails() == []


def test_holder_may_cancel_shrink_and_grow_while_pending(anyone, by_approval):
    registration = pending(by_approval, party_size=2)
    path = f"/api/registrations/{registration.pk}/?token={manage_token(registration.pk)}"

    sizes = [anyone.patch(path, {"party_size": size}).json()["party_size"] for size in (1, 2)]
    beyond = anyone.patch(path, {"party_size": 3})
    cancelled = anyone.delete(path)

    assert sizes == [1, 2]
    assert beyond.json()["code"] == "party_too_large"
    assert cancelled.status_code == 204
    assert counts(by_approval) == (0, 0, 0)


def test_organizer_passes_every_mode(organizer, by_approval, by_code, by_address):
    for event in (by_approval, by_code, by_address):
        made = register(organizer, event)

        assert (made.status_code, made.json()["status"]) == (201, "confirmed")


def test_only_roles_with_people_decide(signed_in, max_, ana, by_approval):
    made = signed_in(ana).post(f"/api/events/{by_approval.pk}/register/")
    registration = Registration.objects.get(pk=made.json()["id"])

    assert decided(signed_in(ana), registration, "approve").status_code == 403
    assert decided(signed_in(max_), registration, "approve").status_code == 404


@pytest.mark.parametrize("role", ["editor", "door"])
@pytest.mark.parametrize("action", ["approve", "reject", "reopen"])
def test_role_without_people_learns_which_roles_decide(signed_in, max_, by_approval, role, action):
    registration = registered(by_approval, skips_mode=True)

    refused = decided(signed_in(with_role(max_, role, by_approval)), registration, action)

    assert (refused.status_code, refused.json()["code"]) == (403, "role_too_low")
    assert refused.json()["required"] == ["owner", "manager", "registrar"]


def test_many_are_decided_in_the_order_of_registering(organizer, by_approval, clock):
    rows = []
    for _ in range(3):
        rows.append(pending(by_approval))
        clock.shift(1)
    first, second, third = rows
    unknown = uuid4()

    response = organizer.post(
        f"/api/events/{by_approval.pk}/attendees/decide/",
        {"ids": [str(row) for row in (unknown, third.pk, second.pk, first.pk)],
         "decision": "approve"},
        format="json",
    )  # fmt: skip

    assert response.status_code == 200
    assert response.json()["results"] == [
        {"id": str(first.pk), "status": "confirmed"},
        {"id": str(second.pk), "status": "confirmed"},
        {"id": str(third.pk), "status": "pending", "code": "event_full"},
        {"id": str(unknown), "status": None, "code": "not_found"},
    ]
    assert sorted(mail.kind for mail in due_mails()) == [
        "registration_confirmed",
        "registration_confirmed",
        "registration_pending",  # of the third
    ]


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_decision_on_many_takes_two_statements_for_each(by_approval, olga, decision):
    Event.objects.filter(pk=by_approval.pk).update(max_capacity=100)
    few, many = ([pending(by_approval).pk for _ in range(number)] for number in (1, 6))

    with CaptureQueriesContext(connection) as for_few:
        decide(by_approval, few, Decision(decision), by=olga)
    with CaptureQueriesContext(connection) as for_many:
        decide(by_approval, many, Decision(decision), by=olga)

    assert len(for_many) - len(for_few) == 2 * 5


@pytest.mark.parametrize(
    "body",
    [
        {"ids": [], "decision": "approve"},
        {"ids": ["x"], "decision": "approve"},
        {"ids": [str(uuid4())], "decision": "maybe"},
        {"decision": "approve"},
    ],
)
def test_bad_decisions_are_refused(organizer, by_approval, body):
    path = f"/api/events/{by_approval.pk}/attendees/decide/"

    assert organizer.post(path, body, format="json").status_code == 400


def test_pending_and_rejected_are_in_lists_on_request(organizer, signed_in, ana, by_approval, olga):
    waiting = pending(by_approval)
    reject(pending(by_approval), by=olga)
    path = f"/api/events/{by_approval.pk}/attendees/"

    assert organizer.get(path).json()["results"] == []
    assert [row["id"] for row in organizer.get(f"{path}?status=pending").json()["results"]] == [
        str(waiting.pk)
    ]
    assert len(organizer.get(f"{path}?status=pending&status=rejected").json()["results"]) == 2
    assert organizer.get(f"/api/events/{by_approval.pk}/").json()["pending_count"] == 1
    assert "pending_count" not in signed_in(ana).get(f"/api/events/{by_approval.pk}/").json()


def test_dry_run_of_an_approval_changes_nothing(organizer, by_approval):
    registration = pending(by_approval)

    dry = organizer.post(f"/api/registrations/{registration.pk}/approve/?dry_run=true")

    assert dry.json()["result"]["status"] == "confirmed"
    assert {"field": "status", "from": "pending", "to": "confirmed"} in dry.json()["effects"][
        "changed"
    ]
    assert counts(by_approval) == (0, 0, 1)


def warnings_of(response) -> list[str]:
    return [warning["code"] for warning in response.json()["warnings"]]


def test_dry_runs_warn_of_people_who_stay_pending(organizer, by_approval):
    path = f"/api/events/{by_approval.pk}/"
    without = organizer.patch(f"{path}?dry_run=true", {"registration_mode": "open"})
    pending(by_approval)

    opened = organizer.patch(f"{path}?dry_run=true", {"registration_mode": "open"})
    renamed = organizer.patch(f"{path}?dry_run=true", {"name": "New"})
    cancelled = organizer.post(f"{path}cancel/?dry_run=true")

    warned = [
        "people_stay_pending" in warnings_of(response)
        for response in (without, opened, renamed, cancelled)
    ]
    assert warned == [False, True, False, True]


def test_dry_run_of_decisions_warns_of_people_who_stay_pending(organizer, by_approval):
    ids = [str(pending(by_approval, party_size=size).pk) for size in (2, 1)]
    path = f"/api/events/{by_approval.pk}/attendees/decide/?dry_run=true"

    one = organizer.post(path, {"ids": ids[:1], "decision": "approve"}, format="json")
    both = organizer.post(path, {"ids": ids, "decision": "approve"}, format="json")

    assert [row["status"] for row in both.json()["result"]["results"]] == ["confirmed", "pending"]
    assert "people_stay_pending" not in warnings_of(one)
    assert "people_stay_pending" in warnings_of(both)


def test_change_of_the_mode_leaves_registrations_as_they_are(organizer, by_approval):
    registration = pending(by_approval)

    changed = organizer.patch(f"/api/events/{by_approval.pk}/", {"registration_mode": "open"})

    registration.refresh_from_db()
    assert changed.json()["registration_mode"] == "open"
    assert registration.status == "pending"


def test_cancelled_event_notifies_those_who_wait_for_a_decision(by_approval):
    pending(by_approval)
    asked = due_mails()

    cancel_event(by_approval)

    assert [mail.kind for mail in asked] == ["registration_pending"]
    assert [mail.kind for mail in due_mails()] == ["event_cancelled"]


def test_ticket_of_a_pending_registration_lets_nobody_in(organizer, by_approval):
    registration = pending(by_approval)

    refused = organizer.post(
        f"/api/events/{by_approval.pk}/check-in/", {"ticket_code": registration.ticket_code}
    )

    assert (refused.status_code, refused.json()["reason"]) == (409, "pending")


def test_statistics_count_pending_people_apart(organizer, by_approval, olga):
    approve(pending(by_approval, party_size=2), by=olga)
    reject(pending(by_approval), by=olga)
    pending(by_approval)

    totals = organizer.get(f"/api/events/{by_approval.pk}/statistics/").json()

    assert totals["totals"]["registrations"] == 3
    assert totals["totals"]["people"] == 4
    for name, number in (("confirmed", 2), ("pending", 1), ("rejected", 1), ("cancelled", 0)):
        assert totals["totals"][name] == number
    assert totals["timeline"][-1]["confirmed_at_end"] == 2


def test_repaired_counters_include_pending_people(by_approval):
    pending(by_approval, party_size=2)
    Event.objects.filter(pk=by_approval.pk).update(pending_count=0)

    repair_counters(by_approval.pk)

    assert counts(by_approval) == (0, 0, 2)


def test_feed_reports_decisions(organizer, by_approval, olga):
    reject(pending(by_approval), by=olga)

    changes = organizer.get("/api/changes/?type=registration.*").json()["results"]

    assert [change["type"] for change in changes] in (
        [],  # inside a test's transaction nothing is committed yet
        ["registration.pending", "registration.rejected"],
    )


# --- Codes --------------------------------------------------------------------------------------


def test_registering_needs_a_valid_code(anyone, by_code, organizer):
    made = organizer.post(f"/api/events/{by_code.pk}/codes/", {"code": "SPEAKERS", "max_uses": 1})
    assert made.status_code == 201
    assert made.headers["Location"].endswith(f"/codes/{made.json()['id']}/")

    missing = register(anyone, by_code)
    wrong = register(anyone, by_code, code="speakers")
    right = register(anyone, by_code, code=" SPEAKERS ")
    twice = register(anyone, by_code, code="SPEAKERS")
    used_up = register(anyone, by_code, code="SPEAKERS", email="eve@example.com")

    assert (missing.status_code, missing.json()["code"]) == (403, "code_required")
    assert (wrong.status_code, wrong.json()["code"]) == (403, "code_invalid")
    assert (right.status_code, right.json()["status"]) == (201, "confirmed")
    assert twice.json()["code"] == "already_registered"
    assert (used_up.status_code, used_up.json()["code"]) == (409, "code_used_up")


def test_cancelling_gives_the_use_of_a_code_back(anyone, by_code):
    code = create_code(by_code, max_uses=1)
    made = register(anyone, by_code, code=code.code).json()

    anyone.delete(f"/api/registrations/{made['id']}/?token={made['manage_token']}")

    assert register(anyone, by_code, code=code.code, email="eve@x.example").status_code == 201
    code.refresh_from_db()
    assert code.uses == 1


def test_refusal_for_want_of_seats_takes_no_use(anyone, by_code):
    code = create_code(by_code)
    registered(by_code, skips_mode=True)
    registered(by_code, skips_mode=True)

    refused = register(anyone, by_code, code=code.code)

    code.refresh_from_db()
    assert refused.json()["code"] == "event_full"
    assert code.uses == 0


@pytest.mark.parametrize(
    "limits", [{"expires_at": NOW}, {"email": "eve@example.com"}], ids=["expired", "of another"]
)
def test_code_may_end_or_belong_to_one_address(anyone, by_code, limits):
    code = create_code(by_code, **limits)

    assert register(anyone, by_code, code=code.code).json()["code"] == "code_invalid"


def test_code_is_ignored_in_other_modes(anyone, olga):
    event = EventFactory(organizer=olga)

    assert register(anyone, event, code="nonsense").status_code == 201


def test_codes_are_listed_and_deleted_by_the_organizer(organizer, signed_in, max_, by_code):
    create_code(by_code, code="A")
    path = f"/api/events/{by_code.pk}/codes/"
    [listed] = organizer.get(path).json()["results"]

    twice = organizer.post(path, {"code": "A"})
    gone = organizer.delete(f"{path}{listed['id']}/")

    assert (listed["code"], listed["uses"], listed["max_uses"]) == ("A", 0, None)
    assert (twice.status_code, twice.json()["errors"][0]["field"]) == (400, "code")
    assert gone.status_code == 204
    assert organizer.delete(f"{path}{listed['id']}/").status_code == 404
    assert signed_in(max_).get(path).status_code == 403
    assert len(organizer.post(path, {}).json()["code"]) == 10


# --- Confirmed addresses ------------------------------------------------------------------------


def token_of(event: Event, email: str = "bob@example.com") -> str:
    request = AddressConfirmation.objects.get(event=event, email=email)
    return confirmation_token(request.pk, request.version)


def confirm(client, token: str):
    return client.post("/api/registrations/confirm/", {"token": token})


def test_guest_gets_a_seat_when_the_address_is_confirmed(anyone, by_address):
    asked = register(anyone, by_address)
    before = counts(by_address)
    [sent] = due_mails()
    token = token_of(by_address)

    confirmed, again = confirm(anyone, token), confirm(anyone, token)

    assert asked.status_code == 202
    assert asked.json() == {"status": "unconfirmed", "expires_at": "2027-01-16T12:00:00Z"}
    assert before == (0, 0, 0)
    assert token in sent.text
    assert (confirmed.status_code, confirmed.json()["status"]) == (200, "confirmed")
    assert (again.status_code, again.json()["id"]) == (200, confirmed.json()["id"])
    path = f"/api/registrations/{confirmed.json()['id']}/"
    assert anyone.get(f"{path}?token={confirmed.json()['manage_token']}").status_code == 200
    assert counts(by_address) == (1, 0, 0)


def test_request_reveals_nothing_about_a_registered_address(anyone, by_address):
    registered(by_address, email="bob@example.com", skips_mode=True)
    due_mails()

    asked, unknown = register(anyone, by_address), register(anyone, by_address, email="x@y.example")

    assert (asked.status_code, asked.json()) == (unknown.status_code, unknown.json())
    assert {mail.subject.partition(":")[0] for mail in due_mails()} == {
        "You are already registered",
        "Confirm your registration",
    }


@pytest.mark.parametrize("is_registered", [False, True])
@pytest.mark.parametrize("is_unlisted", [False, True])
def test_mail_for_an_address_links_to_the_page_of_the_event(
    anyone, by_address, is_registered, is_unlisted
):
    if is_registered:
        registered(by_address, email=BOB["email"], skips_mode=True, notify=False)
        by_address.refresh_from_db()
    by_address.visibility = "unlisted" if is_unlisted else "public"
    by_address.save()
    path = f"/api/events/{by_address.pk}/register/?key={key_of_event(by_address)}"
    anyone.post(path, BOB)

    [mail] = due_mails()

    # An unlisted event is hidden from a mailbox that has no place on it.
    is_linked = is_registered or not is_unlisted
    assert (page_url(by_address) in mail.text) == is_linked
    assert (html.escape(page_url(by_address)) in mail.html) == is_linked


def test_newest_token_is_the_valid_one(anyone, by_address):
    register(anyone, by_address)
    first = token_of(by_address)
    register(anyone, by_address, name="Robert")

    refused, confirmed = confirm(anyone, first), confirm(anyone, token_of(by_address))

    assert refused.status_code == 400
    assert confirmed.json()["name"] == "Robert"


def test_token_is_valid_for_a_day_and_survives_a_full_event(anyone, by_address, clock):
    register(anyone, by_address)
    token = token_of(by_address)
    first = registered(by_address, skips_mode=True)
    registered(by_address, skips_mode=True)

    full = confirm(anyone, token)
    anyone.delete(f"/api/registrations/{first.pk}/?token={manage_token(first.pk)}")
    clock.move_to(NOW + timedelta(hours=23))
    confirmed = confirm(anyone, token)

    assert (full.status_code, full.json()["code"]) == (409, "event_full")
    assert confirmed.status_code == 200


@pytest.mark.parametrize("is_erased", [False, True])
def test_token_does_not_open_the_registration_of_another_holder(
    client, anyone, by_address, is_erased
):
    register(anyone, by_address)
    token = token_of(by_address)
    made = confirm(anyone, token).json()
    if is_erased:
        Registration.objects.filter(pk=made["id"]).erase_people()
    else:
        path = f"/api/registrations/{made['id']}/?token={made['manage_token']}"
        assert anyone.patch(path, {"email": "new@example.com"}).status_code == 200

    refused = confirm(anyone, token)
    clicked = client.post(reverse("confirm-registration"), {"token": token})

    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_or_expired_link")
    assert clicked.status_code == 404
    assert made["id"] not in clicked.content.decode()


def test_unconfirmed_requests_are_deleted_after_a_day(anyone, by_address, clock):
    register(anyone, by_address)
    token = token_of(by_address)

    clock.move_to(NOW + timedelta(hours=24))
    expired = confirm(anyone, token)

    assert expired.status_code == 400
    clock.move_to(NOW + timedelta(hours=25))
    assert delete_old_confirmations() == 1


def test_account_with_a_confirmed_address_registers_at_once(signed_in, by_address):
    own = signed_in(UserFactory(email_verified_at=NOW)).post(
        f"/api/events/{by_address.pk}/register/"
    )
    unproven = signed_in(UserFactory()).post(f"/api/events/{by_address.pk}/register/")

    assert (own.status_code, own.json()["status"]) == (201, "confirmed")
    assert unproven.status_code == 202


def test_confirmed_registration_belongs_to_the_account_that_asked(signed_in, anyone, by_address):
    unproven = UserFactory()
    client = signed_in(unproven)
    client.post(f"/api/events/{by_address.pk}/register/")
    register(client, by_address)

    own = confirm(anyone, token_of(by_address, unproven.email)).json()
    for_bob = confirm(anyone, token_of(by_address)).json()

    rows = by_address.registrations.in_bulk()
    owners = {str(pk): (row.user, row.registered_by) for pk, row in rows.items()}
    assert owners == {own["id"]: (unproven, unproven), for_bob["id"]: (None, unproven)}
    assert client.get(f"/api/registrations/{for_bob['id']}/").status_code == 200


def test_every_guest_confirms_the_address_if_the_site_says_so(
    anyone, signed_in, olga, by_approval, by_code, settings
):
    settings.GUEST_CONFIRMATION = True
    plain = EventFactory(organizer=olga)
    code = create_code(by_code, max_uses=1)

    asked = [
        register(anyone, plain).status_code,
        register(anyone, by_approval).status_code,
        register(anyone, by_code, code=code.code).status_code,
        register(anyone, by_code).status_code,
    ]
    made = [
        confirm(anyone, token_of(event)).json()["status"] for event in (plain, by_approval, by_code)
    ]

    assert asked == [202, 202, 202, 403]
    assert made == ["confirmed", "pending", "confirmed"]
    code.refresh_from_db()
    assert code.uses == 1
    own = signed_in(UserFactory(email_verified_at=NOW))
    assert own.post(f"/api/events/{plain.pk}/register/").status_code == 201


@pytest.mark.parametrize("token", ["", "x", "x.y", "AAAA.BBBB", "é"])
def test_bad_tokens_are_refused(anyone, token):
    assert confirm(anyone, token).status_code == 400


def test_requests_that_are_mailed_together_have_their_links():
    kind = find_kind("registration_confirmation")
    facts = [
        {"confirm_url": confirmation_link(UUID(int=number), 1), "in_full": "Confirm"}
        for number in range(2)
    ]
    rows = [
        Notification(kind=kind.name, key=str(number), email="bob@example.com", subject="Confirm")
        for number in range(2)
    ]

    mail = compose_several(kind, rows, facts)

    for each in facts:
        assert each["confirm_url"] in mail.text
        assert each["confirm_url"] in html.unescape(mail.html)


def test_page_says_that_the_event_was_deleted(client, anyone, organizer, by_address):
    register(anyone, by_address)
    token = token_of(by_address)
    organizer.delete(f"/api/events/{by_address.pk}/")

    shown = client.get(reverse("confirm-registration"), {"token": token})
    clicked = client.post(reverse("confirm-registration"), {"token": token})
    refused = confirm(anyone, token)

    assert (shown.status_code, clicked.status_code) == (404, 404)
    assert f"The organizer has deleted {by_address.name}" in shown.content.decode()
    assert clicked.content == shown.content
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_or_expired_link")


def test_page_confirms_by_a_click(client, anyone, by_address):
    register(anyone, by_address)
    path = f"{reverse('confirm-registration')}?token={token_of(by_address)}"

    shown = client.get(path)
    before = counts(by_address)
    clicked = client.post(path, {"token": token_of(by_address)})

    assert b"Confirm my registration" in shown.content
    assert before == (0, 0, 0)
    assert clicked.status_code == 302
    assert counts(by_address) == (1, 0, 0)
    assert client.get(reverse("confirm-registration")).status_code == 404


def test_key_of_the_organizer_decides_and_bypasses(olga, by_approval):
    client = key_client(olga, "registrations:read", "registrations:write")
    registration = pending(by_approval)

    assert decided(client, registration, "approve").json()["status"] == "confirmed"
    assert register(client, by_approval).json()["status"] == "confirmed"


def test_decision_on_many_skips_those_of_other_events(by_approval, by_address, olga):
    other = registered(by_address, skips_mode=True)

    [outcome] = decide(by_approval, [other.pk], Decision.REJECT, by=olga)

    assert outcome.error is not None
    other.refresh_from_db()
    assert other.status == "confirmed"


# --- With questions and unlisted events ---------------------------------------------------------

TABLE = {
    "key": "table",
    "label": "Table",
    "type": "choice",
    "required": True,
    "options": [{"value": "window", "label": "Window", "limit": 1}, {"value": "any"}],
}


def asks(organizer, event: Event) -> None:
    path = f"/api/events/{event.pk}/form/"
    response = organizer.put(path, {"questions": [TABLE]}, format="json")
    assert response.status_code == 200, response.content
    event.refresh_from_db()


def windows_left(client, event: Event) -> int:
    [question] = client.get(f"/api/events/{event.pk}/form/").json()["questions"]
    return question["options"][0]["left"]


def test_pending_answers_take_an_option_when_they_are_approved(anyone, organizer, by_approval):
    asks(organizer, by_approval)
    missing = register(anyone, by_approval)
    answers = {"answers": {"table": "window"}}
    first, second = pending(by_approval, **answers), pending(by_approval, **answers)
    before = windows_left(anyone, by_approval)

    approved, full = decided(organizer, first, "approve"), decided(organizer, second, "approve")

    assert missing.json()["errors"][0]["field"] == "answers.table"
    assert before == 1
    assert approved.json()["answers"] == {"table": "window"}
    assert (full.status_code, full.json()["code"]) == (409, "option_full")
    assert windows_left(anyone, by_approval) == 0
    assert counts(by_approval) == (1, 0, 1)


def test_cancelled_pending_registration_gives_no_option_back(anyone, organizer, by_approval):
    asks(organizer, by_approval)
    registration = pending(by_approval, answers={"table": "window"})

    anyone.delete(f"/api/registrations/{registration.pk}/?token={manage_token(registration.pk)}")

    assert windows_left(anyone, by_approval) == 1


def test_codes_and_answers_go_together(anyone, organizer, by_code):
    asks(organizer, by_code)
    code = create_code(by_code, code="A", max_uses=2)

    without_code = register(anyone, by_code, answers={"table": "window"})
    made = register(anyone, by_code, code="A", answers={"table": "window"})
    full = register(anyone, by_code, code="A", answers={"table": "window"}, email="eve@example.com")

    assert without_code.json()["code"] == "code_required"
    assert (made.status_code, made.json()["answers"]) == (201, {"table": "window"})
    assert full.json()["code"] == "option_full"
    code.refresh_from_db()
    assert code.uses == 1


def test_answers_are_stored_with_the_confirmed_address(anyone, organizer, by_address):
    asks(organizer, by_address)

    missing = register(anyone, by_address)
    asked = register(anyone, by_address, answers={"table": "window"})
    confirmed = confirm(anyone, token_of(by_address))

    assert missing.status_code == 400
    assert asked.status_code == 202
    assert confirmed.json()["answers"] == {"table": "window"}
    assert windows_left(anyone, by_address) == 0


def test_confirmation_drops_answers_to_questions_that_are_gone(anyone, organizer, by_address):
    asks(organizer, by_address)
    register(anyone, by_address, answers={"table": "any"})
    new = {"questions": [{**TABLE, "active": False}, {**TABLE, "key": "room"}]}
    organizer.put(f"/api/events/{by_address.pk}/form/", new, format="json")

    confirmed = confirm(anyone, token_of(by_address))

    assert (confirmed.status_code, confirmed.json()["answers"]) == (200, {})


@pytest.mark.parametrize("mode", ["open", "approval", "code"])
@pytest.mark.parametrize("has_form", [False, True])
def test_accepted_party_is_confirmed_after_its_limit_was_lowered(
    anyone, organizer, by_address, settings, mode, has_form
):
    settings.GUEST_CONFIRMATION = True
    if has_form:
        asks(organizer, by_address)
    event = Event.objects.filter(pk=by_address.pk)
    event.update(max_party_size=2, registration_mode=mode)
    party = {"party_size": 2, "code": create_code(by_address).code}
    answers = {"answers": {"table": "any"}} if has_form else {}
    register(anyone, by_address, **party, **answers)
    event.update(max_party_size=1)

    confirmed = confirm(anyone, token_of(by_address))

    assert (confirmed.status_code, confirmed.json()["party_size"]) == (200, 2)
    newcomer = register(anyone, by_address, **party, **answers, email="zoe@example.com")
    assert newcomer.json()["errors"][0]["field"] == "party_size"


def test_accepted_party_waits_like_any_other(anyone, by_address):
    event = Event.objects.filter(pk=by_address.pk)
    event.update(max_party_size=2)
    register(anyone, by_address, party_size=2)
    event.update(max_party_size=1)
    registered(by_address, skips_mode=True)

    full = confirm(anyone, token_of(by_address))
    event.update(waitlist_enabled=True)
    confirmed = confirm(anyone, token_of(by_address))

    assert (full.status_code, full.json()["code"]) == (409, "event_full")
    assert confirmed.json()["status"] == "waitlisted"
    assert counts(by_address) == (1, 2, 0)


def test_page_leads_back_to_the_event_if_the_request_is_no_longer_accepted(
    client, anyone, by_address
):
    Event.objects.filter(pk=by_address.pk).update(max_party_size=2)
    register(anyone, by_address, party_size=2)
    Event.objects.filter(pk=by_address.pk).update(max_capacity=1)
    token = token_of(by_address)

    page = client.post(reverse("confirm-registration"), {"token": token})
    asked = register(anyone, by_address)

    assert page.status_code == 400
    assert f'href="{page_url(by_address)}">Register again</a>' in page.content.decode()
    assert "<button>Confirm my registration" not in page.content.decode()
    assert asked.status_code == 202
    assert confirm(anyone, token_of(by_address)).status_code == 200


def test_page_leads_on_if_the_event_needs_a_code_by_now(client, anyone, by_address):
    register(anyone, by_address)
    Event.objects.filter(pk=by_address.pk).update(registration_mode="code")

    page = client.post(reverse("confirm-registration"), {"token": token_of(by_address)})

    text = page.content.decode()
    assert page.status_code == 400
    assert "Ask the organizer for one, and register with it." in text
    assert f'href="{page_url(by_address)}">Register again</a>' in text
    assert "<button>Confirm my registration" not in text


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"code": "A", "answers": {"table": 1}}, "validation_error"),
        ({"code": "no", "form_version": 7}, "code_invalid"),
        ({"code": "USED", "form_version": 7, "email": "ann@example.com"}, "already_registered"),
        ({"code": "USED", "form_version": 7, "party_size": 3}, "form_changed"),
        ({"code": "USED", "party_size": 3}, "party_too_large"),
        ({"code": "USED"}, "option_full"),
        ({"code": "USED", "answers": {"table": "any"}}, "code_used_up"),
        ({"code": "A", "answers": {"table": "any"}}, "event_full"),
    ],
)
def test_errors_of_a_code_take_precedence_in_order(anyone, organizer, by_code, fields, code):
    asks(organizer, by_code)
    create_code(by_code, code="A")
    create_code(by_code, code="USED", max_uses=1)
    Event.objects.filter(pk=by_code.pk).update(max_party_size=3)
    window = {"answers": {"table": "window"}}
    for body in ({"code": "USED", "email": "ann@example.com"}, {"code": "A", "email": "x@y.z.org"}):
        answers = window if body["code"] == "USED" else {"answers": {"table": "any"}}
        assert register(anyone, by_code, **body, **answers).status_code == 201

    refused = register(anyone, by_code, **{**window, **fields})

    assert refused.json()["code"] == code


def test_errors_of_pending_registrations_take_precedence_in_order(anyone, organizer, by_approval):
    asks(organizer, by_approval)
    window = {"answers": {"table": "window"}}
    assert register(anyone, by_approval, **window).status_code == 201

    codes = [
        register(anyone, by_approval, **fields).json()["code"]
        for fields in (
            {"form_version": 7, "party_size": 3},
            {"form_version": 7, "party_size": 3, "email": "eve@example.com"},
            {"party_size": 3, "email": "eve@example.com", **window},
        )
    ]

    assert codes == ["already_registered", "form_changed", "party_too_large"]


@pytest.mark.parametrize("mode", ["open", "approval", "confirm_address", "code"])
@pytest.mark.parametrize(
    ("answers", "code"),
    [({"table": 1}, "validation_error"), ({"table": "any"}, "registration_closed")],
)
def test_every_mode_checks_the_answers_and_then_the_times(
    anyone, organizer, by_code, mode, answers, code
):
    asks(organizer, by_code)
    Event.objects.filter(pk=by_code.pk).update(registration_mode=mode, registration_closes_at=NOW)

    assert register(anyone, by_code, answers=answers).json()["code"] == code


@pytest.mark.parametrize(
    ("mode", "status"), [("approval", 201), ("confirm_address", 202), ("code", 403)]
)
def test_modes_of_unlisted_events_need_the_key(anyone, olga, mode, status):
    event = EventFactory(organizer=olga, registration_mode=mode, visibility="unlisted")
    path = f"/api/events/{event.pk}/register/"

    hidden = anyone.post(path, BOB)
    opened = anyone.post(f"{path}?key={key_of_event(event)}", BOB)

    assert hidden.status_code == 404
    assert opened.status_code == status


def test_address_cannot_be_confirmed_after_the_event_was_deleted(anyone, by_address):
    register(anyone, by_address)
    Event.objects.filter(pk=by_address.pk).update(deleted_at=NOW)

    confirmed = confirm(anyone, token_of(by_address))

    assert (confirmed.status_code, confirmed.json()["code"]) == (400, "invalid_or_expired_link")


def test_confirmed_address_opens_an_unlisted_event(anyone, olga):
    event = EventFactory(organizer=olga, registration_mode="confirm_address", visibility="unlisted")
    anyone.post(f"/api/events/{event.pk}/register/?key={key_of_event(event)}", BOB)

    confirmed = confirm(anyone, token_of(event))

    assert (confirmed.status_code, confirmed.json()["status"]) == (200, "confirmed")
    assert "key=" in confirmed.json()["event"]["page_url"]


def test_expiry_of_a_code_without_an_offset_is_in_the_zone_of_the_event(olga, signed_in):
    event = EventFactory(organizer=olga, timezone="Europe/Berlin")
    codes = f"/api/events/{event.pk}/codes/"

    made = signed_in(olga).post(codes, {"expires_at": "2032-07-15T14:30:00"})
    skipped = signed_in(olga).post(codes, {"expires_at": "2032-03-28T02:30:00"})

    assert (made.status_code, made.json()["expires_at"]) == (201, "2032-07-15T12:30:00Z")
    assert skipped.json()["errors"][0]["code"] == "nonexistent_time"
