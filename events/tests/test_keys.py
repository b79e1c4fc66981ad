"""API keys: what they are, what they may do, and how they end."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.audit import changes_of
from accounts.keys import is_key, new_secret
from accounts.models import ApiKey, AuditEntry, Notification
from accounts.services import change_password, confirm_email, set_password
from accounts.tests.factories import PASSWORD, KeyFactory, UserFactory, key_client
from accounts.tests.mailbox import mails_to
from accounts.tokens import open_session
from config.api.key_scopes import Scope
from events.models import Event
from registrations.models import LedgerEntry
from registrations.services import close_account
from registrations.tests.factories import registered

from .factories import EventFactory, SeriesFactory

KEYS = "/api/me/keys/"
# A key that was never issued, with a valid checksum.
UNKNOWN = "evk_Unknown0Unknown0Unknown0Unknown03Nhx93"
READ = {"name": "Shop", "scopes": ["events:read"], "password": PASSWORD}


def field_codes(response) -> dict[str, str]:
    assert response.status_code == 400, response.data
    return {error["field"]: error["code"] for error in response.data["errors"]}


def problem(response) -> tuple[int, str]:
    return response.status_code, response.data["code"]


def client_with(secret: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


@pytest.fixture
def draft(olga) -> Event:
    return EventFactory(organizer=olga, status=Event.Status.DRAFT)


# --- creating ---


def test_new_key_is_shown_once_and_stored_as_a_hash(olga, signed_in, clock):
    client = signed_in(olga)

    created = client.post(KEYS, READ)
    listed = client.get(KEYS).data["results"]

    assert created.status_code == 201
    secret = created.data.pop("key")
    assert is_key(secret)
    assert created["Location"].endswith(f"{KEYS}{created.data['id']}/")
    assert created["Cache-Control"] == "no-store"
    assert listed == [created.data]
    assert created.data["scopes"] == ["events:read"]
    assert created.data["events"] is None
    assert created.data["expires_at"] == "2028-01-15T12:00:00Z"
    row = ApiKey.objects.values().get()
    assert secret not in str(row)
    assert secret.startswith(row["hint"])


def test_key_may_have_no_expiry_and_some_events(olga, event, signed_in):
    body = {**READ, "expires_at": None, "events": [event.pk, event.pk]}

    created = signed_in(olga).post(KEYS, body)

    assert (created.data["expires_at"], created.data["events"]) == (None, [event.pk])


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"password": "wrong"}, "password", "wrong_password"),
        ({"password": None}, "password", "null"),
        ({"name": ""}, "name", "blank"),
        ({"scopes": []}, "scopes", "min_length"),
        ({"scopes": ["events:all"]}, "scopes.0", "invalid_choice"),
        ({"events": []}, "events", "min_length"),
        ({"events": [999_999]}, "events", "invalid"),
        ({"events": ["1"]}, "events.0", "invalid"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at", "in_the_past"),
        ({"expires_at": "tomorrow"}, "expires_at", "invalid"),
        ({"scope": "checkin"}, "scope", "unknown_field"),
    ],
)
def test_key_with_invalid_values_is_not_created(olga, signed_in, change, field, code):
    response = signed_in(olga).post(KEYS, {**READ, **change})

    assert field_codes(response) == {field: code}
    assert not ApiKey.objects.exists()


def test_key_cannot_be_restricted_to_an_event_of_somebody_else(max_, event, signed_in):
    response = signed_in(max_).post(KEYS, {**READ, "events": [event.pk]})

    assert field_codes(response) == {"events": "invalid"}


def test_account_has_at_most_25_keys_that_work(olga, signed_in):
    client = signed_in(olga)
    KeyFactory.create_batch(24, user=olga)
    KeyFactory(user=olga, revoked_at=timezone.now())
    KeyFactory(user=olga, expires_at=timezone.now() - timedelta(days=1))

    last, refused = client.post(KEYS, READ), client.post(KEYS, READ)

    assert last.status_code == 201
    assert problem(refused) == (409, "key_limit")
    assert refused.data["maximum"] == 25


# --- using ---


def test_key_replaces_an_access_token(olga, draft):
    response = key_client(olga).get(f"/api/events/{draft.pk}/")

    assert response.status_code == 200
    assert response.data["id"] == draft.pk


@pytest.mark.parametrize(
    "change",
    [
        {"expires_at": timezone.now() - timedelta(seconds=1)},
        {"revoked_at": timezone.now()},
    ],
)
def test_key_that_ended_is_no_token_even_on_a_public_route(olga, change):
    client = key_client(olga, **change)

    assert problem(client.get("/api/events/")) == (401, "invalid_token")


@pytest.mark.parametrize("secret", ["evk_", "evk_x", UNKNOWN, f"{UNKNOWN[:-1]}!", "evk_ä"])
def test_text_that_is_no_key_is_no_token(db, secret):
    response = client_with(secret.encode().decode("latin-1")).get("/api/events/")

    assert problem(response) == (401, "invalid_token")


def test_key_with_a_wrong_checksum_is_refused_without_a_query(db, django_assert_num_queries):
    secret = new_secret()
    wrong = secret[:-1] + ("a" if secret[-1] != "a" else "b")

    with django_assert_num_queries(0):
        response = client_with(wrong).get("/api/events/")

    assert response.status_code == 401


def test_key_of_an_inactive_account_does_not_work(olga):
    client = key_client(olga)
    olga.is_active = False
    olga.save()

    assert client.get("/api/events/").status_code == 401


def test_last_use_is_recorded_by_the_minute(olga, clock, django_assert_num_queries):
    client = key_client(olga)
    key, first = ApiKey.objects.get(), timezone.now()
    client.get("/api/key/")

    clock.shift(timedelta(seconds=59))
    with django_assert_num_queries(1):
        client.get("/api/key/")
    key.refresh_from_db()
    assert key.last_used_at == first

    clock.shift(timedelta(seconds=1))
    client.get("/api/key/")
    key.refresh_from_db()
    assert key.last_used_at == timezone.now()


def test_key_describes_itself(olga, event, signed_in, anyone):
    client = key_client(olga, "checkin", events=[event.pk])

    response = client.get("/api/key/")

    assert response.data["scopes"] == ["checkin"]
    assert response.data["events"] == [event.pk]
    assert response.data["owner"] == {"id": olga.pk, "username": "olga"}
    assert "key" not in response.data
    assert signed_in(olga).get("/api/key/").status_code == 404
    assert anyone.get("/api/key/").status_code == 404


# --- scopes ---


def test_key_without_a_scope_reads_what_is_public_and_no_more(olga, event, draft):
    Event.objects.update(meeting_url="https://meet.example.com/x")
    client = key_client(olga, "checkin")

    shown = client.get(f"/api/events/{event.pk}/")

    assert shown.status_code == 200
    assert "meeting_url" not in shown.data
    assert client.get(f"/api/events/{draft.pk}/").status_code == 404
    assert client.get("/api/events/?status=draft").json()["results"] == []


def test_scope_to_write_shows_nothing_that_needs_a_scope_to_read(olga, event):
    Event.objects.update(meeting_url="https://meet.example.com/x")

    edited = key_client(olga, "events:write").patch(f"/api/events/{event.pk}/", {"name": "New"})
    with_both = key_client(olga, "events:write", "events:read").patch(
        f"/api/events/{event.pk}/", {"name": "New"}
    )

    assert edited.status_code == 200
    assert "meeting_url" not in edited.data
    assert "reminder_hours" not in edited.data
    assert with_both.data["meeting_url"] == "https://meet.example.com/x"


def test_key_for_the_door_shows_names_without_addresses(olga, event):
    bob = registered(event, name="Bob", email="bob@example.com")
    client = key_client(olga, "checkin")
    url = f"/api/events/{event.pk}/attendees/"
    short = {
        "id": str(bob.pk), "name": "Bob", "status": "confirmed", "party_size": 1,
        "checked_in_at": None,
    }  # fmt: skip

    listed = client.get(url)

    assert listed.json()["results"] == [short]
    assert listed.data["counts"]["confirmed"] == 1
    assert len(client.get(f"{url}?search=bob").data["results"]) == 1
    assert client.get(f"{url}?search=example.com").data["results"] == []
    assert client.get(f"{url}?search=bob@example.com").data["results"] == []
    assert field_codes(client.get(f"{url}?ordering=email")) == {"ordering": "invalid_choice"}


def test_check_in_by_a_key_for_the_door_shows_no_address(olga, event):
    bob = registered(event, name="Bob")
    body, url = {"ticket_code": bob.ticket_code}, f"/api/events/{event.pk}/check-in/"

    scanned = key_client(olga, "checkin").post(url, body).json()["registration"]
    undone = key_client(olga, "checkin").post(f"{url}undo/", body).json()["registration"]
    in_full = key_client(olga, "checkin", "registrations:read").post(url, body).json()

    names = {"id", "name", "status", "party_size", "admitted_count", "checked_in_at"}
    assert scanned.keys() == undone.keys() == names
    assert in_full["registration"]["email"] == bob.email


# --- events of a key ---


def test_event_outside_a_key_is_not_the_key_s(olga, event, draft):
    other = EventFactory(organizer=olga, meeting_url="https://meet.example.com/x")
    client = key_client(olga, events=[event.pk])

    shown = client.get(f"/api/events/{other.pk}/")

    assert shown.status_code == 200
    assert "meeting_url" not in shown.data
    for route in ("attendees/", "ledger/", "messages/", "attendees/export/"):
        response = client.get(f"/api/events/{other.pk}/{route}")
        assert response.status_code == 403
        assert client.get(f"/api/events/{draft.pk}/{route}").status_code == 404
    assert problem(client.patch(f"/api/events/{other.pk}/", {})) == (403, "permission_denied")
    assert problem(client.patch(f"/api/events/{draft.pk}/", {})) == (404, "not_found")
    assert client.patch(f"/api/events/{event.pk}/", {}).status_code == 200


def test_registrations_outside_a_key_are_hidden(olga, event):
    other = EventFactory(organizer=olga)
    outside, inside = registered(other), registered(event)
    own = registered(EventFactory(), user=olga, email=olga.email)
    client = key_client(olga, events=[event.pk])

    statuses = [
        client.get(f"/api/registrations/{row.pk}/").status_code for row in (outside, inside, own)
    ]

    assert statuses == [404, 200, 404]


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
def test_edit_by_a_key_that_may_not_read_shows_no_person(olga, event, query):
    bob = registered(event, name="Bob", email="bob@example.com")
    client = key_client(olga, "registrations:write")
    path = f"/api/registrations/{bob.pk}/{query}"

    answers = [
        client.patch(path, {"name": "Bea"}),
        client.patch(path, {"name": "Bea", "email": "bea@example.com"}),
    ]

    assert [answer.status_code for answer in answers] == [200, 200]
    texts = [answer.content.decode() for answer in answers]
    assert [word for word in ("Bob", "bob@", bob.ticket_code) if word in "".join(texts)] == []


def test_attendance_of_the_owner_is_closed_to_keys(olga, event):
    elsewhere = EventFactory()
    own = registered(elsewhere, user=olga, registered_by=olga, email=olga.email)
    of_guest = registered(elsewhere, registered_by=olga)
    at_own_event = registered(event, user=olga, registered_by=olga, email=olga.email)
    client = key_client(olga)

    statuses = [
        client.get(f"/api/registrations/{row.pk}/").status_code
        for row in (own, of_guest, at_own_event)
    ]

    assert statuses == [404, 404, 200]
    assert client.delete(f"/api/registrations/{own.pk}/").status_code == 404


def test_key_registers_people_for_its_events_alone(olga, max_, event, draft):
    foreign = EventFactory(organizer=max_)
    client, bob = key_client(olga, events=[event.pk]), {"name": "Bob", "email": "bob@example.com"}

    inside = client.post(f"/api/events/{event.pk}/register/", bob)
    outside = client.post(f"/api/events/{foreign.pk}/register/", bob)
    hidden = client.post(f"/api/events/{draft.pk}/register/", bob)

    assert inside.status_code == 201
    assert problem(outside) == (403, "permission_denied")
    assert problem(hidden) == (404, "not_found")


def test_key_for_some_events_lists_them_and_creates_none(olga, event, draft):
    EventFactory(organizer=olga)
    series = SeriesFactory(organizer=olga)
    client = key_client(olga, events=[event.pk, draft.pk])
    body = {"name": "New", "location": "Hall", "start_time": "2099-01-01T10:00:00Z"}

    listed = client.get("/api/me/events/?when=all").json()["results"]

    assert {row["id"] for row in listed} == {event.pk, draft.pk}
    assert client.get("/api/series/?mine=true").data["results"] == []
    assert problem(client.post("/api/events/", body)) == (403, "permission_denied")
    assert problem(client.patch(f"/api/series/{series.pk}/", {})) == (403, "permission_denied")


def test_own_series_need_the_scope_of_own_events(olga):
    client = key_client(olga, "statistics:read")

    response = client.get("/api/series/?mine=true")

    assert problem(response) == (403, "insufficient_scope")
    assert response.json()["required_scope"] == "events:read"
    assert client.get("/api/series/").status_code == 200


def test_key_has_the_rights_of_its_owner_now(olga, max_, event):
    client = key_client(olga)
    assert client.get(f"/api/events/{event.pk}/attendees/").status_code == 200

    Event.objects.filter(pk=event.pk).update(organizer=max_)

    assert client.get(f"/api/events/{event.pk}/attendees/").status_code == 403


# --- narrowing ---


@pytest.mark.parametrize(
    ("before", "change", "field"),
    [
        ({"scopes": ["checkin"]}, {"scopes": ["checkin", "events:read"]}, "scopes"),
        ({"expires_at": timezone.now() + timedelta(days=9)}, {"expires_at": None}, "expires_at"),
        (
            {"expires_at": timezone.now() + timedelta(days=9)},
            {"expires_at": "2099-01-01T00:00:00Z"},
            "expires_at",
        ),
    ],
)
def test_rights_of_a_key_cannot_be_widened(olga, signed_in, before, change, field):
    key = KeyFactory(user=olga, **before)

    response = signed_in(olga).patch(f"{KEYS}{key.pk}/", change)

    assert field_codes(response) == {field: "cannot_widen"}


def test_events_of_a_key_cannot_be_widened(olga, event, signed_in):
    key, other = KeyFactory(user=olga, events=[event.pk]), EventFactory(organizer=olga)
    client = signed_in(olga)

    for events in ([event.pk, other.pk], None):
        response = client.patch(f"{KEYS}{key.pk}/", {"events": events})
        assert field_codes(response) == {"events": "cannot_widen"}


def test_key_is_renamed_and_narrowed(olga, event, signed_in):
    key = KeyFactory(user=olga)
    change = {
        "name": "Door",
        "scopes": ["checkin"],
        "events": [event.pk],
        "expires_at": "2099-01-01T00:00:00Z",
    }

    response = signed_in(olga).patch(f"{KEYS}{key.pk}/", change)

    assert response.status_code == 200
    assert {name: response.data[name] for name in change} == change
    assert changes_of(key)[0].after["scopes"] == ["checkin"]


# --- rotation ---


def test_rotated_key_works_beside_its_successor_for_the_overlap(olga, signed_in, clock):
    secret = new_secret()
    key = KeyFactory(user=olga, secret=secret)

    rotated = signed_in(olga).post(f"{KEYS}{key.pk}/rotate/", {"overlap_hours": 2})

    assert rotated.status_code == 200
    assert rotated.data["id"] == key.pk
    old, new = client_with(secret), client_with(rotated.data["key"])
    assert (old.get("/api/key/").status_code, new.get("/api/key/").status_code) == (200, 200)
    clock.shift(timedelta(hours=2))
    assert (old.get("/api/key/").status_code, new.get("/api/key/").status_code) == (401, 200)


def test_second_rotation_ends_the_oldest_key(olga, signed_in):
    secret, client = new_secret(), signed_in(olga)
    url = f"{KEYS}{KeyFactory(user=olga, secret=secret).pk}/rotate/"

    second = client.post(url).data["key"]
    third = client.post(url).data["key"]

    statuses = [client_with(each).get("/api/key/").status_code for each in (secret, second, third)]
    assert statuses == [401, 200, 200]


def test_rotation_without_an_overlap_ends_the_key_at_once(olga, signed_in):
    secret = new_secret()
    key = KeyFactory(user=olga, secret=secret)

    signed_in(olga).post(f"{KEYS}{key.pk}/rotate/", {"overlap_hours": 0})

    assert client_with(secret).get("/api/key/").status_code == 401


@pytest.mark.parametrize(("hours", "code"), [(-1, "min_value"), (73, "max_value")])
def test_overlap_of_a_rotation_has_limits(olga, signed_in, hours, code):
    key = KeyFactory(user=olga)

    response = signed_in(olga).post(f"{KEYS}{key.pk}/rotate/", {"overlap_hours": hours})

    assert field_codes(response) == {"overlap_hours": code}


# --- ends ---


def test_deleted_key_ends_at_once_and_is_no_longer_listed(olga, signed_in):
    client, owner = key_client(olga), signed_in(olga)
    key = ApiKey.objects.get()

    deleted = owner.delete(f"{KEYS}{key.pk}/")

    assert deleted.status_code == 204
    assert client.get("/api/events/").status_code == 401
    assert owner.get(KEYS).data["results"] == []
    assert owner.delete(f"{KEYS}{key.pk}/").status_code == 404


def test_finder_revokes_a_key_and_the_owner_is_notified(olga, anyone):
    secret = new_secret()
    KeyFactory(user=olga, secret=secret, name="Ticket shop")

    response = anyone.post("/api/keys/revoke/", {"key": secret})

    assert response.status_code == 204
    assert client_with(secret).get("/api/events/").status_code == 401
    (message,) = mails_to(olga.email)
    assert "Ticket shop" in message.text
    assert secret not in message.text


def test_found_key_that_was_rotated_ends_without_its_successor(olga, anyone, signed_in):
    secret = new_secret()
    key = KeyFactory(user=olga, secret=secret)
    new = signed_in(olga).post(f"{KEYS}{key.pk}/rotate/").data["key"]

    anyone.post("/api/keys/revoke/", {"key": secret})

    assert client_with(secret).get("/api/key/").status_code == 401
    assert client_with(new).get("/api/key/").status_code == 200
    assert Notification.objects.get().facts["is_replaced"] is True


@pytest.mark.parametrize("text", ["", " ", "x", "evk_unknown", UNKNOWN])
def test_response_to_a_finder_is_the_same_for_every_text(db, anyone, text):
    response = anyone.post("/api/keys/revoke/", {"key": text})

    assert response.status_code == (204 if text.strip() else 400)
    assert not Notification.objects.exists()


def test_finder_has_to_send_a_key(db, anyone):
    assert field_codes(anyone.post("/api/keys/revoke/", {})) == {"key": "required"}


def test_password_change_keeps_keys_and_the_mail_names_them(olga, clock):
    client = key_client(olga, name="Ticket shop")
    confirm_email(olga, by_owner=True)

    change_password(olga, current_password=PASSWORD, password="another-horse-7")

    assert client.get("/api/key/").status_code == 200
    assert "Ticket shop" in mails_to(olga.email)[-1].text


def test_password_change_revokes_keys_if_it_says_so(olga, signed_in):
    client = key_client(olga)
    body = {"current_password": PASSWORD, "password": "another-horse-7", "revoke_keys": True}

    changed = signed_in(olga).post("/api/password/change/", body)

    assert changed.status_code == 204
    assert client.get("/api/events/").status_code == 401


def test_new_password_by_a_link_or_staff_ends_keys(olga):
    client = key_client(olga)

    set_password(olga, "another-horse-7")

    assert client.get("/api/events/").status_code == 401


def test_first_confirmation_of_an_address_ends_keys_that_may_be_a_stranger_s(olga):
    client = key_client(olga)

    confirm_email(olga)

    assert client.get("/api/events/").status_code == 401


def test_closed_account_has_no_keys_and_no_names_of_keys(olga):
    client = key_client(olga, name="Olga's phone")

    close_account(olga)

    assert client.get("/api/events/").status_code == 401
    assert ApiKey.objects.get().name == "Erased key"
    assert "Olga" not in str(
        [(e.before, e.after) for e in AuditEntry.objects.filter(kind="apikey")]
    )


# --- records ---


def test_ledger_and_audit_name_the_key(olga, event, signed_in):
    client = key_client(olga, name="Ticket shop")
    key = ApiKey.objects.get()

    client.post(f"/api/events/{event.pk}/register/", {"name": "Bob", "email": "bob@example.com"})
    client.patch(f"/api/events/{event.pk}/", {"name": "New"})

    entry = signed_in(olga).get(f"/api/events/{event.pk}/ledger/").data["results"][0]
    assert entry["key"] == {"id": key.pk, "name": "Ticket shop"}
    assert entry["actor"]["id"] == olga.pk
    assert changes_of(event)[0].key == key


def test_ledger_names_no_key_without_one(olga, event, signed_in):
    client = signed_in(olga)
    client.post(f"/api/events/{event.pk}/register/")

    (entry,) = client.get(f"/api/events/{event.pk}/ledger/").data["results"]

    assert entry["key"] is None
    assert LedgerEntry.objects.get().key_id is None


def test_idempotency_keys_of_an_owner_and_an_api_key_are_apart(olga, event, signed_in):
    body, headers = {"name": "Bob", "email": "bob@example.com"}, {"Idempotency-Key": "1"}
    url = f"/api/events/{event.pk}/register/"
    signed_in(olga).post(url, body, headers=headers)

    by_key = key_client(olga).post(url, body, headers=headers)

    assert problem(by_key) == (409, "already_registered")


def test_export_of_an_account_lists_its_keys_without_hashes(olga, signed_in):
    KeyFactory(user=olga, name="Ticket shop", scopes=[Scope.CHECKIN])

    response = signed_in(olga).get("/api/me/export/")
    exported = json.loads(b"".join(response.streaming_content))["api_keys"]

    assert [row["name"] for row in exported] == ["Ticket shop"]
    assert "digest" not in exported[0]


# --- admin and documentation ---


@pytest.fixture
def root_client(db) -> Client:
    client = Client()
    client.force_login(UserFactory(username="root", is_staff=True, is_superuser=True))
    return client


def test_staff_revoke_a_key_in_the_admin(olga, root_client):
    client, key = key_client(olga, name="Ticket shop"), ApiKey.objects.get()
    url = "/admin/accounts/apikey/"
    form = {"action": "revoke_keys", "_selected_action": [key.pk], "confirmed": "yes"}

    listed = root_client.get(url).content.decode()
    page = root_client.get(f"{url}{key.pk}/change/").content.decode()
    root_client.post(url, form)

    assert "Ticket shop" in listed
    assert key.hint in page
    assert bytes(key.digest).hex() not in page
    assert client.get("/api/events/").status_code == 401
    assert changes_of(key)[0].action == "revoked"


def test_admin_s_history_of_an_event_names_the_key(olga, event, root_client):
    key_client(olga, name="Ticket shop").patch(f"/api/events/{event.pk}/", {"name": "New"})

    page = root_client.get(f"/admin/events/event/{event.pk}/history/").content.decode()

    assert "API key Ticket shop" in page


def test_examples_of_the_documentation_work(olga, event):
    text = (Path(settings.BASE_DIR) / "docs" / "api-keys.md").read_text()
    use, scan = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names = {"api": APIClient(), "event_id": event.pk, "password": PASSWORD}
    names["access"] = open_session(olga)["access"]

    exec(use, names)
    exec(scan, names)

    assert names["registered"].status_code == 201
    key = names["key"]
    wrong = key[:-1] + ("a" if key[-1] != "a" else "b")
    assert list(names["find_keys"](f"KEY={key}\nOLD={wrong}")) == [key]
