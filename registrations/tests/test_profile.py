"""`/api/me/` and `/api/users/`."""

from unittest.mock import patch

import pytest
from rest_framework.serializers import ModelSerializer

from accounts.models import User
from accounts.services import confirm_email
from accounts.tests.factories import PASSWORD, UserFactory, grant
from events.models import Event
from events.tests.factories import EventFactory, with_role
from registrations.models import Registration
from registrations.serializers import ProfileOut
from registrations.services import register
from registrations.services.accounts import settle_accounts
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db


def test_me_shows_organized_and_attended_events(ana, olga, event, signed_in):
    EventFactory(organizer=olga, status="draft")
    registered(event, email=ana.email, user=ana, registered_by=ana)

    of_olga = signed_in(olga).get("/api/me").json()
    of_ana = signed_in(ana).get("/api/me/").json()

    assert of_olga["events_created"]["count"] == 2
    assert of_olga["events_created"]["url"] == "http://testserver/api/me/events/"
    assert of_olga["events_registered"]["count"] == 0
    assert [item["id"] for item in of_ana["events_registered"]["upcoming"]] == [event.pk]
    assert of_ana["role"] == "attendee"


def test_me_lists_the_next_five(olga, signed_in):
    EventFactory.create_batch(7, organizer=olga)

    created = signed_in(olga).get("/api/me/").json()["events_created"]

    assert (created["count"], len(created["upcoming"])) == (7, 5)


@pytest.mark.parametrize("withdrawn", ["", "mine@example.com"])
def test_me_equals_the_declared_fields(olga, event, signed_in, withdrawn):
    User.objects.filter(pk=olga.pk).update(withdrawn_email=withdrawn)
    registered(event, user=olga)
    client = signed_in(olga)

    fast = client.get("/api/me/", headers={"Time-Zone": "Asia/Kolkata"}).json()
    with patch.object(ProfileOut, "to_representation", ModelSerializer.to_representation):
        declared = client.get("/api/me/", headers={"Time-Zone": "Asia/Kolkata"}).json()

    assert fast.pop("must_change_email", False) == bool(withdrawn)
    assert declared.pop("must_change_email") == bool(withdrawn)
    assert list(fast.items()) == list(declared.items())
    assert len(fast["events_created"]["upcoming"]) == fast["events_registered"]["count"] == 1


def test_me_takes_the_same_queries_with_many_events_of_a_team(
    olga, ana, event, signed_in, django_assert_num_queries
):
    events = [event, *EventFactory.create_batch(3, organizer=olga)]
    with_role(ana, "editor", event)
    for each in events:
        registered(each, user=ana)
    client = signed_in(ana)
    client.get("/api/me/")

    with django_assert_num_queries(5):  # the last one is about roles
        response = client.get("/api/me/")

    roles = [each["my_role"] for each in response.json()["events_registered"]["upcoming"]]
    assert sorted(map(str, roles)) == ["None", "None", "None", "editor"]


def test_me_of_two_users_are_told_apart(olga, max_, event, signed_in):
    registered(event, user=max_)

    profiles = [signed_in(user).get("/api/me/").json() for user in (olga, max_, olga)]

    assert [profile["events_created"]["count"] for profile in profiles] == [1, 0, 1]
    assert [profile["events_registered"]["count"] for profile in profiles] == [0, 1, 0]


def test_me_is_for_the_signed_in(anyone):
    response = anyone.get("/api/me/")

    assert response.status_code == 401
    assert response.json()["code"] == "not_authenticated"


def test_patch_me_changes_editable_fields(ana, signed_in):
    body = {"role": "organizer", "timezone": "Asia/Kolkata", "is_staff": True, "id": 99}

    response = signed_in(ana).patch("/api/me/", body, headers={"Prefer": "handling=lenient"})

    ana.refresh_from_db()
    assert response.status_code == 200
    assert (ana.role, ana.timezone, ana.is_staff) == ("organizer", "Asia/Kolkata", False)


def test_guest_registrations_join_once_the_address_is_confirmed(ana, event, signed_in):
    registered(event, email="ANA@example.com".lower())
    client = signed_in(ana)

    before = client.get("/api/me/registrations/").json()["results"]
    confirm_email(ana, by_owner=True)
    after = client.get("/api/me/registrations/").json()["results"]

    assert before == []
    assert [row["email"] for row in after] == [ana.email]


def test_later_guest_registrations_belong_to_the_confirmed_account(ana, anyone, event, signed_in):
    confirm_email(ana)

    made = anyone.post(f"/api/events/{event.pk}/register/", {"name": "A", "email": ana.email})

    assert "manage_token" in made.json()
    listed = signed_in(ana).get("/api/me/registrations/").json()["results"]
    assert [row["id"] for row in listed] == [made.json()["id"]]


def test_a_taken_address_is_refused(ana, olga, signed_in):
    response = signed_in(ana).patch("/api/me/", {"email": "Olga@example.com"})

    assert response.status_code == 400
    assert response.json()["errors"][0]["code"] == "unique"


def test_deleting_me_needs_the_password(ana, signed_in):
    client = signed_in(ana)

    missing = client.delete("/api/me/", {})
    wrong = client.delete("/api/me/", {"password": "wrong"})

    assert missing.json()["errors"][0]["code"] == "required"
    assert wrong.json()["errors"][0]["code"] == "wrong_password"
    assert User.objects.get(pk=ana.pk).is_active


def test_deleting_me_erases_the_person_and_frees_the_seat(ana, olga, signed_in):
    event = EventFactory(organizer=olga, max_capacity=1, waitlist_enabled=True)
    mine = register(event.pk, name="Ana", email=ana.email, user=ana, registered_by=ana)
    waitlisted = registered(event)
    client = signed_in(ana)

    response = client.delete("/api/me/", {"password": PASSWORD})

    ana.refresh_from_db()
    mine = Registration.objects.get(pk=mine.pk)
    waitlisted.refresh_from_db()
    assert response.status_code == 204
    assert client.get("/api/me/").status_code == 401
    assert ana.is_active is False
    assert "ana" not in f"{ana.email}{ana.username}"
    assert (mine.status, mine.name) == ("cancelled", "Erased account")
    assert "ana" not in mine.email
    assert waitlisted.status == "confirmed"


def test_registrations_made_while_an_account_closes_are_settled(ana, olga, event, signed_in):
    signed_in(ana).delete("/api/me/", {"password": PASSWORD})
    late = register(event.pk, name="Ana", email="ana@example.com", user=ana, registered_by=ana)

    settle_accounts()
    settle_accounts()

    late = Registration.objects.get(pk=late.pk)
    event.refresh_from_db()
    assert (late.status, late.name, event.registered_count) == ("cancelled", "Erased account", 0)
    assert "ana" not in late.email


def test_registrations_made_during_the_confirmation_join_later(ana, event):
    registration = registered(event, email=ana.email)
    User.objects.filter(pk=ana.pk).update(email_verified_at=event.created_at)

    settle_accounts()

    registration.refresh_from_db()
    assert registration.user == ana


def test_past_attendance_stays_counted(ana, olga, signed_in, clock):
    event = EventFactory(organizer=olga)
    register(event.pk, name="Ana", email=ana.email, user=ana, registered_by=ana)
    clock.move_to(event.end_time)

    signed_in(ana).delete("/api/me/", {"password": PASSWORD})

    event.refresh_from_db()
    assert event.registered_count == 1
    assert Registration.objects.get().status == "confirmed"
    assert Registration.objects.get().name == "Erased account"


def test_an_organizer_with_upcoming_events_cannot_close_the_account(olga, event, signed_in):
    response = signed_in(olga).delete("/api/me/", {"password": PASSWORD})

    assert response.status_code == 409
    assert response.json()["code"] == "account_has_upcoming_events"
    assert User.objects.get(pk=olga.pk).is_active


def test_closing_an_account_deletes_its_drafts(olga, signed_in):
    draft = EventFactory(organizer=olga, status="draft")

    signed_in(olga).delete("/api/me/", {"password": PASSWORD})

    assert Event.objects.get(pk=draft.pk).deleted_at is not None


def test_users_are_listed_for_staff_only(anyone, ana, sam, signed_in):
    refused = [signed_in(user).get("/api/users/").json()["code"] for user in (ana, sam)]
    staff = signed_in(grant(sam, "accounts.view_user"))
    listed = staff.get("/api/users/?search=ana&count=true").json()

    assert anyone.get("/api/users/").status_code == 401
    assert refused == ["permission_denied", "permission_denied"]
    assert [user["id"] for user in listed["results"]] == [ana.pk]
    assert listed["count"] == 1


def test_a_user_is_shown_to_itself_and_staff(anyone, ana, max_, sam, signed_in):
    path = f"/api/users/{ana.pk}"

    assert anyone.get(path).status_code == 401
    assert signed_in(max_).get(path).status_code == 404
    assert signed_in(max_).delete(path, {"password": PASSWORD}).status_code == 404
    assert signed_in(ana).get(path).json()["email"] == ana.email
    assert signed_in(sam).get(path).status_code == 404
    staff = signed_in(grant(sam, "accounts.change_user"))
    assert staff.patch(path, {"timezone": "Asia/Tokyo"}).status_code == 200


def test_a_profile_shows_staff_only_visible_events_and_registrations(
    ana, olga, event, sam, signed_in
):
    EventFactory(organizer=olga, status="draft")
    registered(event, name="Ana", email=ana.email, user=ana)
    steps = ("accounts.view_user", "events.view_event", "registrations.view_registration")
    counts = []

    for permission in steps:
        staff = signed_in(grant(sam, permission))
        organizes = staff.get(f"/api/users/{olga.pk}/").json()["events_created"]
        attends = staff.get(f"/api/users/{ana.pk}/").json()["events_registered"]
        counts.append((organizes["count"], attends["count"], len(attends["upcoming"])))

    assert counts == [(1, 0, 0), (2, 0, 0), (2, 1, 1)]


def test_staff_gain_no_rights_by_changing_profiles(ana, sam, signed_in):
    rights = {"is_staff": True, "is_superuser": True, "groups": [1], "user_permissions": [1]}
    staff = signed_in(grant(sam, "accounts.change_user"))

    for user in (ana, sam):
        refused = staff.patch(f"/api/users/{user.pk}/", rights, format="json")
        codes = {error["field"]: error["code"] for error in refused.json()["errors"]}
        assert codes == dict.fromkeys(rights, "unknown_field")
        lenient = {"Prefer": "handling=lenient"}
        ignored = staff.patch(f"/api/users/{user.pk}/", rights, format="json", headers=lenient)
        assert ignored.status_code == 200

    for user in (ana, sam):
        user.refresh_from_db()
    assert (ana.is_staff, ana.is_superuser, sam.is_superuser) == (False, False, False)
    assert (ana.user_permissions.count(), sam.user_permissions.count()) == (0, 1)
    assert (ana.groups.count(), sam.groups.count()) == (0, 0)


def test_staff_change_no_other_staff(sam, signed_in):
    root = UserFactory(is_staff=True, is_superuser=True)
    client = signed_in(grant(sam, "accounts.change_user", "accounts.delete_user"))
    path = f"/api/users/{root.pk}/"

    assert client.get(path).status_code == 200
    for refused in (client.patch(path, {"email": "evil@example.com"}), client.delete(path)):
        assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert signed_in(root).patch(f"/api/users/{sam.pk}/", {"timezone": "UTC"}).status_code == 200


def test_staff_delete_without_a_password(ana, sam, signed_in):
    client = signed_in(grant(sam, "accounts.view_user", "accounts.delete_user"))

    response = client.delete(f"/api/users/{ana.pk}/")

    assert response.status_code == 204
    assert User.objects.get(pk=ana.pk).erased_at is not None
    for again in (client.get, client.patch, client.delete):
        assert again(f"/api/users/{ana.pk}/").status_code == 404
    assert [user["id"] for user in client.get("/api/users/").json()["results"]] == [sam.pk]
