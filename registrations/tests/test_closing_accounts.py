"""Closing an account: the data that remains, and concurrent requests."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import FormerAddress, Notification, User
from accounts.notifications import notify
from accounts.services import confirm_email, lock_account
from accounts.tests.factories import PASSWORD, UserFactory, grant
from accounts.tokens import open_session
from config.api.models import StoredResponse
from config.errors import PermissionDenied
from events.models import Event
from events.services import create_event, delete_event, lock_event, publish_event, restore_event
from events.services.series import lock_series
from events.tests.factories import EventFactory, SeriesFactory
from registrations.models import LedgerEntry, Registration
from registrations.services import close_account
from registrations.services.integrity import find_faults
from registrations.tests.concurrency import at_once, wait_until_blocked
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db


def leave(client: APIClient):
    return client.delete("/api/me/", {"password": PASSWORD})


def columns_with(text: str) -> list[str]:
    """Every column of every table that still holds `text`, whatever its type."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = 'public'"
        )
        columns = []
        for table, column, kind in cursor.fetchall():
            text_sql = f"encode(\"{column}\", 'escape')" if kind == "bytea" else f'"{column}"::text'
            cursor.execute(
                f'SELECT count(*) FROM "{table}" WHERE position(%s IN lower({text_sql})) > 0',
                [text],
            )
            if cursor.fetchone()[0]:
                columns.append(f"{table}.{column}")
    return columns


def test_nothing_in_the_database_names_a_closed_account(clock, anyone, olga, sam, signed_in):
    """Each line below stores the name in another place."""
    sign_up = {"email": "quilla@example.com", "password": PASSWORD, "username": "quilla"}
    quilla = User.objects.get(pk=anyone.post("/api/register/", sign_up).json()["id"])
    quilla = confirm_email(quilla)
    event, past = EventFactory(organizer=olga), EventFactory(organizer=olga)
    client = signed_in(quilla)
    keyed = {"Idempotency-Key": "k"}
    mine = client.post(f"/api/events/{event.pk}/register/", {}, headers=keyed).json()
    other = EventFactory(organizer=olga)
    guest = {"name": "Quilla", "email": "quilla@example.com"}
    anyone.post(f"/api/events/{other.pk}/register/", guest, headers=keyed)
    client.post(f"/api/events/{past.pk}/register/", {"name": "Quilla Q."})
    earlier = {"name": "Quilla", "email": "quilla@earlier.example.org"}
    joined = anyone.post(f"/api/events/{past.pk}/register/", earlier, headers=keyed).json()
    Registration.objects.filter(pk=joined["id"]).update(user=quilla)  # her address at that time
    scan = {"ticket_code": mine["ticket_code"]}
    signed_in(olga).post(f"/api/events/{event.pk}/check-in/", scan, headers=keyed)
    staff = signed_in(grant(sam, "registrations.change_registration"))
    staff.patch(f"/api/registrations/{mine['id']}/", {"name": "Quilla R."})
    draft = {"name": "D", "location": "L", "status": "draft", "start_time": "2027-05-01T10:00:00Z"}
    client.post("/api/events/", draft, headers=keyed)
    client.patch("/api/me/", {"email": "quilla@new.example.org"})
    FormerAddress.objects.create(user=quilla, email="quilla@former.example.org")
    notify("password_reset", key="q", email="quilla@former.example.org")
    LogEntry.objects.create(
        user=sam,
        content_type=ContentType.objects.get_for_model(User),
        object_id=str(quilla.pk),
        object_repr="quilla",
        action_flag=CHANGE,
    )
    assert len(columns_with("quilla")) > 10

    assert leave(client).status_code == 204

    assert columns_with("quilla") == []
    assert list(find_faults()) == []


def test_answers_to_others_are_still_replayed(ana, max_, event, signed_in):
    body = {"name": "M", "email": max_.email}
    path = f"/api/events/{event.pk}/register/"
    signed_in(max_).post(path, body, headers={"Idempotency-Key": "m"})
    signed_in(ana).post(path, {}, headers={"Idempotency-Key": "a"})

    leave(signed_in(ana))

    assert json.loads(bytes(StoredResponse.objects.get().body))["email"] == max_.email
    again = signed_in(max_).post(path, body, headers={"Idempotency-Key": "m"})
    assert again["Idempotent-Replayed"] == "true"


def test_notifications_of_others_stay(ana, max_, signed_in):
    for user in (ana, max_):
        notify("password_changed", key=str(user.pk), email=user.email, user=user)

    leave(signed_in(ana))

    assert [row.user for row in Notification.objects.all()] == [max_]


def test_closing_an_unconfirmed_account_drops_no_mails_of_the_owner(event, signed_in):
    """Neither as the account's address, nor as one to change to, nor on a registration."""
    registered(event, name="Vic", email="vic@example.com")
    claims = UserFactory(username="claims", email="vic@example.com", email_verified_at=None)
    changes = UserFactory(username="changes", pending_email="vic@example.com")
    elsewhere = EventFactory()
    registered(elsewhere, email="vic@example.com", user=claims, registered_by=claims)
    notify("password_reset", key="r", email="vic@example.com")

    for user in (claims, changes):
        assert leave(signed_in(user)).status_code == 204

    notification = Notification.objects.get()
    assert (notification.kind, notification.event_id) == ("registration_confirmed", event.pk)


def test_a_seat_on_a_deleted_event_is_freed(ana, olga, signed_in):
    event = EventFactory(organizer=olga, max_capacity=1, waitlist_enabled=True)
    registered(event, email=ana.email, user=ana, registered_by=ana)
    waiting = registered(event)
    delete_event(event)

    leave(signed_in(ana))
    restore_event(event)

    event.refresh_from_db()
    waiting.refresh_from_db()
    assert Registration.objects.get(user=ana).status == "cancelled"
    assert LedgerEntry.objects.filter(reason="account_closed").count() == 1
    assert (waiting.status, event.registered_count, event.waitlist_count) == ("confirmed", 1, 0)
    assert list(find_faults()) == []


# --- organizers ---


def test_no_coming_event_is_made_for_an_account_that_has_ended(olga):
    close_account(olga)
    start = timezone.now() + timedelta(days=9)

    with pytest.raises(IntegrityError, match="account has ended"), transaction.atomic():
        create_event(olga, name="E", location="L", start_time=start)
    assert not Event.objects.exists()


def test_a_deleted_event_of_an_account_that_has_ended_stays_deleted(olga, sam, signed_in):
    event = EventFactory(organizer=olga)
    delete_event(event)
    leave(signed_in(olga))

    with pytest.raises(PermissionDenied):
        restore_event(event)


def test_a_past_event_of_an_account_that_has_ended_may_be_restored(olga, signed_in):
    event = EventFactory(organizer=olga, start_time=timezone.now() - timedelta(days=2))
    delete_event(event)
    leave(signed_in(olga))

    assert restore_event(event).deleted_at is None


@pytest.fixture
def leaving(transactional_db) -> User:
    return UserFactory(username="leaving")


def publishing(client: APIClient, event: Event) -> Callable[[], int]:
    return lambda: client.post(f"/api/events/{event.pk}/publish/").status_code


def client_of(user: User) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {open_session(user)['access']}")
    return client


@pytest.mark.django_db(transaction=True)
@pytest.mark.xdist_group("races")
def test_a_draft_is_not_published_while_its_organizers_account_ends(leaving):
    draft = EventFactory(organizer=leaving, status="draft")
    client = client_of(leaving)

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            close_account(leaving)
            future = pool.submit(at_once, publishing(client, draft))
            wait_until_blocked()
        assert future.result(10) == [404]

    draft.refresh_from_db()
    assert (draft.status, draft.deleted_at is not None) == ("draft", True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.xdist_group("races")
def test_an_account_does_not_end_while_it_publishes(leaving):
    draft = EventFactory(organizer=leaving, status="draft")
    client = client_of(leaving)

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            publish_event(draft)
            future = pool.submit(at_once, lambda: leave(client).json()["code"])
            wait_until_blocked()
        assert future.result(10) == ["account_has_upcoming_events"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.xdist_group("races")
def test_publishing_locks_the_account_before_the_event(leaving):
    """In the other order the two would deadlock."""
    draft = EventFactory(organizer=leaving, status="draft")
    client = client_of(leaving)

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            lock_account(leaving.pk)
            future = pool.submit(at_once, publishing(client, draft))
            wait_until_blocked()
            lock_event(draft.pk)  # not locked by the request
        assert future.result(10) == [200]


@pytest.mark.django_db(transaction=True)
@pytest.mark.xdist_group("races")
def test_ending_a_series_locks_the_account_before_it(leaving):
    """As the account's end does, which then ends the series."""
    series = SeriesFactory(organizer=leaving)
    client, path = client_of(leaving), f"/api/series/{series.pk}/"

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            lock_account(leaving.pk)
            future = pool.submit(at_once, lambda: client.delete(path).status_code)
            wait_until_blocked()
            lock_series(series.pk)  # not locked by the request
        assert future.result(10) == [204]


@pytest.mark.django_db(transaction=True)
@pytest.mark.xdist_group("races")
def test_an_event_is_not_made_while_its_organizers_account_ends(leaving):
    client = client_of(leaving)
    client.raise_request_exception = False
    start = (timezone.now() + timedelta(days=9)).isoformat()
    body = {"name": "E", "location": "L", "start_time": start}

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            close_account(leaving)
            future = pool.submit(at_once, lambda: client.post("/api/events/", body).json()["code"])
            wait_until_blocked()
        assert future.result(10) == ["temporarily_unavailable"]

    assert not Event.objects.exists()
    assert client.post("/api/events/", body).status_code == 401
