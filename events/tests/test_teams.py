"""Teams: roles, invitations and transfers."""

import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from accounts.audit import changes_of
from accounts.models import User
from accounts.services import confirm_email
from accounts.tests.factories import PASSWORD, UserFactory, grant, key_client
from accounts.tests.mailbox import mails_to
from events.errors import AlreadyMember
from events.models import Event, Role, TeamMember
from registrations.models import LedgerEntry
from registrations.tests.factories import registered

from .factories import EventFactory, SeriesFactory, with_role

pytestmark = pytest.mark.django_db

LINK = "https://meet.example.com/x"


def problem(response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def link_to(address: str) -> tuple[str, str]:
    """The link in the one invitation to an address, and its token."""
    [mail] = mails_to(address)
    [link] = [link for link in mail.links if "/invitation/" in link]
    return link, parse_qs(urlsplit(link).query)["token"][0]


def team_of(row) -> str:
    return f"/api/{'events' if isinstance(row, Event) else 'series'}/{row.pk}/team/"


@pytest.fixture
def dora() -> User:
    return UserFactory(username="dora", email_verified_at=timezone.now())


@pytest.fixture
def mia(event) -> User:
    """A manager of the event."""
    return with_role(UserFactory(username="mia"), "manager", event)


@pytest.fixture
def invited(olga, event, dora, signed_in):
    """The id of an invitation of dora to the door of the event."""
    body = {"email": dora.email, "role": "door"}
    return signed_in(olga).post(team_of(event), body).data["id"]


# --- inviting ---


def test_invitation_is_the_same_whether_or_not_an_account_exists(olga, event, dora, signed_in):
    client = signed_in(olga)

    known = client.post(team_of(event), {"email": dora.email, "role": "door"})
    unknown = client.post(team_of(event), {"email": "nobody@example.com", "role": "door"})

    assert known.status_code == unknown.status_code == 201
    assert known.data.keys() == unknown.data.keys()
    assert known.data["user"] is unknown.data["user"] is None
    assert known.data["state"] == unknown.data["state"] == "invited"
    assert client.get(team_of(event)).data["results"] == [known.data, unknown.data]
    assert len(mails_to(dora.email)) == len(mails_to("nobody@example.com")) == 1


def test_inviting_again_renews_the_invitation(olga, event, dora, signed_in, clock):
    client, body = signed_in(olga), {"email": dora.email, "role": "door"}
    first = client.post(team_of(event), body)
    clock.shift(timedelta(days=3))

    second = signed_in(olga).post(team_of(event), {**body, "role": "registrar"})

    assert second.status_code == 201
    assert second.data["id"] == first.data["id"]
    assert second.data["role"] == "registrar"
    assert second.data["expires_at"] == "2027-02-01T12:00:00Z"


@pytest.mark.parametrize("role", ["owner", "boss", ""])
def test_role_that_cannot_be_given_is_an_error(olga, event, signed_in, role):
    response = signed_in(olga).post(team_of(event), {"email": "x@example.com", "role": role})

    assert response.status_code == 400
    assert [error["field"] for error in response.data["errors"]] == ["role"]


def test_owner_and_members_are_not_invited_again(olga, mia, event, signed_in):
    client = signed_in(olga)

    for email in (olga.email, mia.email):
        response = client.post(team_of(event), {"email": email, "role": "door"})
        assert problem(response) == (409, "already_member")


def test_only_the_owner_decides_about_managers(mia, event, signed_in):
    other = with_role(UserFactory(), "manager", event)
    member, client = TeamMember.objects.get(user=other), signed_in(mia)

    refused = [
        client.post(team_of(event), {"email": "x@example.com", "role": "manager"}),
        client.patch(f"{team_of(event)}{member.pk}/", {"role": "door"}),
        client.delete(f"{team_of(event)}{member.pk}/"),
    ]
    invited = client.post(team_of(event), {"email": "x@example.com", "role": "editor"})

    assert [problem(response) for response in refused] == [(403, "role_too_low")] * 3
    assert refused[0].data["required"] == ["owner"]
    assert invited.status_code == 201


def test_members_see_their_own_row_and_managers_all(olga, mia, event, dora, signed_in):
    with_role(dora, "door", event)

    own = signed_in(dora).get(team_of(event)).data["results"]
    everybody = signed_in(mia).get(team_of(event)).data["results"]

    assert [row["user"]["username"] for row in own] == ["dora"]
    assert {row["user"]["username"] for row in everybody} == {"mia", "dora"}


# --- accepting ---


def test_accepted_invitation_gives_the_role(dora, event, invited, signed_in):
    client = signed_in(dora)
    listed = client.get("/api/me/invitations/").data["results"]

    accepted = client.post(f"/api/me/invitations/{invited}/accept/")
    again = client.post(f"/api/me/invitations/{invited}/accept/")

    assert [(row["id"], row["event"], row["role"]) for row in listed] == [
        (invited, event.pk, "door")
    ]
    assert (accepted.status_code, accepted.data["state"]) == (200, "active")
    assert again.status_code == 200
    assert client.get("/api/me/invitations/").data["results"] == []
    shown = client.get(f"/api/events/{event.pk}/").data
    assert (shown["my_role"], shown["my_rights"]) == ("door", ["checkin"])


def test_invitation_needs_the_confirmed_address(max_, event, invited, signed_in):
    User.objects.filter(username="dora").update(email_verified_at=None)
    dora = User.objects.get(username="dora")

    for user in (max_, dora):
        client = signed_in(user)
        assert client.get("/api/me/invitations/").data["results"] == []
        assert client.post(f"/api/me/invitations/{invited}/accept/").status_code == 404


def test_expired_invitation_is_not_accepted(dora, invited, signed_in):
    TeamMember.objects.update(expires_at=timezone.now())

    response = signed_in(dora).post(f"/api/me/invitations/{invited}/accept/")

    assert problem(response) == (409, "invitation_expired")


def test_declined_invitation_gives_nothing_until_it_is_sent_again(
    olga, dora, event, invited, signed_in
):
    client = signed_in(dora)

    declined = client.post(f"/api/me/invitations/{invited}/decline/")
    accepted = client.post(f"/api/me/invitations/{invited}/accept/")
    signed_in(olga).post(team_of(event), {"email": dora.email, "role": "door"})

    assert (declined.status_code, declined.data["state"]) == (200, "declined")
    assert accepted.status_code == 404
    assert client.post(f"/api/me/invitations/{invited}/accept/").status_code == 200


def test_withdrawn_invitation_is_gone(olga, dora, event, invited, signed_in):
    deleted = signed_in(olga).delete(f"{team_of(event)}{invited}/")

    assert deleted.status_code == 204
    assert signed_in(dora).post(f"/api/me/invitations/{invited}/accept/").status_code == 404
    assert mails_to(dora.email) == []


# --- the page of an invitation ---


def test_link_accepts_for_the_account_with_the_address(client, dora, event, invited):
    link, token = link_to(dora.email)

    page = client.get(link)
    done = client.post("/invitation/", {"token": token, "accept": "yes"})

    assert "Password" not in page.content.decode()
    assert done.status_code == 302
    assert TeamMember.objects.get().user == dora
    assert client.get(link).status_code == 400


def test_link_creates_an_account_for_whoever_has_none(client, anyone, olga, event, signed_in):
    signed_in(olga).post(team_of(event), {"email": "new@example.com", "role": "editor"})
    _, token = link_to("new@example.com")
    form = {"token": token, "accept": "yes", "password": "seven-quiet-owls"}

    weak = client.post("/invitation/", {**form, "password": "12345678", "again": "12345678"})
    differs = client.post("/invitation/", {**form, "again": "x"})
    done = client.post("/invitation/", {**form, "again": "seven-quiet-owls"})

    assert (weak.status_code, differs.status_code, done.status_code) == (400, 400, 302)
    user = User.objects.get(email="new@example.com")
    assert user.email_verified
    assert TeamMember.objects.get().user == user
    login = {"email": "new@example.com", "password": "seven-quiet-owls"}
    assert anyone.post("/api/login/", login).status_code == 200


def test_link_takes_an_unconfirmed_account_from_a_stranger(client, olga, event, signed_in):
    stranger = UserFactory(username="dora", email="dora@example.com")
    thief = signed_in(stranger)
    signed_in(olga).post(team_of(event), {"email": stranger.email, "role": "manager"})
    _, token = link_to(stranger.email)
    form = {"token": token, "accept": "yes"}

    refused = client.post("/invitation/", form)
    client.post("/invitation/", {**form, "password": "seven-owls-9", "again": "seven-owls-9"})

    assert refused.status_code == 400
    assert thief.get("/api/me/").status_code == 401
    stranger.refresh_from_db()
    assert not stranger.check_password(PASSWORD)
    assert TeamMember.objects.get().user == stranger


@pytest.mark.parametrize("token", ["", "x", "1:x"])
def test_link_that_is_wrong_leads_to_an_explanation(client, invited, token):
    assert client.get(f"/invitation/?token={token}").status_code == 400


def test_link_declines(client, dora, invited):
    _, token = link_to(dora.email)

    client.post("/invitation/", {"token": token, "decline": "yes"})

    assert TeamMember.objects.get().state == "declined"


# --- roles ---


@pytest.mark.parametrize(
    ("role", "rights", "sees_link", "sees_people"),
    [
        ("owner", ["edit", "people", "checkin", "team", "delete"], True, True),
        ("manager", ["edit", "people", "checkin", "team"], True, True),
        ("editor", ["edit"], True, None),
        ("registrar", ["people", "checkin"], True, True),
        ("door", ["checkin"], False, False),
        (None, [], False, None),
    ],
)
def test_fields_that_each_role_sees(olga, dora, signed_in, role, rights, sees_link, sees_people):
    event = EventFactory(organizer=dora if role == "owner" else olga, meeting_url=LINK)
    bob = registered(event, name="Bob")
    if role not in {None, "owner"}:
        with_role(dora, role, event)
    client = signed_in(dora)

    shown = client.get(f"/api/events/{event.pk}/").data
    attendees = client.get(f"/api/events/{event.pk}/attendees/")
    by_address = client.get(f"/api/events/{event.pk}/attendees/?search={bob.email}")

    assert (shown["my_role"], shown["my_rights"]) == (role, rights)
    assert ("meeting_url" in shown, "reminder_hours" in shown) == (sees_link, sees_link)
    if sees_people is None:
        assert attendees.status_code == 403
    else:
        [row] = attendees.json()["results"]
        assert ("email" in row, "ticket_code" in row) == (sees_people, sees_people)
        assert len(by_address.data["results"]) == sees_people
        assert ("meeting_url" in row) is sees_people


def test_guest_sees_no_role(anyone, event):
    assert "my_role" not in anyone.get(f"/api/events/{event.pk}/").data
    assert "my_role" not in anyone.get("/api/events/").json()["results"][0]


def test_role_too_low_names_the_roles_that_suffice(dora, event, signed_in):
    with_role(dora, "door", event)

    response = signed_in(dora).patch(f"/api/events/{event.pk}/", {"name": "New"})

    assert problem(response) == (403, "role_too_low")
    assert response.json()["required"] == ["owner", "manager", "editor"]


def test_own_events_are_those_of_every_role(olga, dora, event, signed_in):
    own = EventFactory(organizer=dora)
    EventFactory(organizer=olga)
    draft = EventFactory(organizer=olga, status=Event.Status.DRAFT)
    series = SeriesFactory(organizer=olga)
    with_role(dora, "door", event)
    with_role(dora, "editor", draft)
    with_role(dora, "registrar", series)
    client = signed_in(dora)

    def listed(query: str = "") -> dict[int, str]:
        results = client.get(f"/api/me/events/?page_size=100{query}").json()["results"]
        return {row["id"]: row["my_role"] for row in results}

    of_series = dict.fromkeys(series.events.values_list("pk", flat=True), "registrar")
    assert listed() == {own.pk: "owner", event.pk: "door", draft.pk: "editor", **of_series}
    assert listed("&role=owner") == {own.pk: "owner"}
    assert listed("&role=door") == {event.pk: "door"}
    assert listed("&role=registrar") == of_series
    assert listed("&status=draft") == {draft.pk: "editor"}
    assert client.get("/api/me/events/?role=boss").status_code == 400
    assert client.get("/api/me/registrations/?role=door").status_code == 400


def test_list_shows_roles_by_one_query_for_the_page(
    olga, dora, signed_in, django_assert_max_num_queries
):
    for event in EventFactory.create_batch(5, organizer=olga):
        with_role(dora, "door", event)
    client = signed_in(dora)
    client.get("/api/events/")

    with django_assert_max_num_queries(3):  # the session, the page, the roles
        results = client.get("/api/events/").json()["results"]

    assert [row["my_role"] for row in results] == ["door"] * 5


def test_list_of_series_shows_roles_by_one_query_for_the_page(
    olga, dora, signed_in, django_assert_max_num_queries
):
    for series in [SeriesFactory(organizer=olga) for _ in range(3)]:
        with_role(dora, "door", series)
    client = signed_in(dora)
    client.get("/api/series/")

    with django_assert_max_num_queries(3):  # the session, the page, the roles
        results = client.get("/api/series/").json()["results"]

    assert [row["my_role"] for row in results] == ["door"] * 3


def test_list_costs_somebody_without_a_team_no_query(
    olga, max_, signed_in, django_assert_num_queries
):
    EventFactory.create_batch(2, organizer=olga)
    client = signed_in(max_)
    client.get("/api/events/")

    with django_assert_num_queries(2):
        results = client.get("/api/events/").json()["results"]

    assert [row["my_role"] for row in results] == [None, None]


def test_team_of_a_series_has_its_events_later_ones_too(olga, dora, signed_in):
    series = SeriesFactory(organizer=olga)
    with_role(dora, "editor", series)
    later = EventFactory(organizer=olga, series=series, status=Event.Status.DRAFT)
    client = signed_in(dora)

    assert client.patch(f"/api/events/{later.pk}/", {"name": "New"}).status_code == 200
    assert client.patch(f"/api/series/{series.pk}/", {"name": "New"}).status_code == 200
    assert [row["id"] for row in client.get("/api/series/?mine=true").data["results"]] == [
        series.pk
    ]


def test_rights_are_the_union_of_both_teams(olga, dora, signed_in):
    series = SeriesFactory(organizer=olga)
    event = series.events.first()
    with_role(dora, "editor", series)
    with_role(dora, "door", event)

    shown = signed_in(dora).get(f"/api/events/{event.pk}/").data

    assert (shown["my_role"], shown["my_rights"]) == ("editor", ["edit", "checkin"])


def test_changed_role_applies_at_once_to_tokens_and_keys(olga, dora, event, signed_in):
    with_role(dora, "registrar", event)
    member, owner = TeamMember.objects.get(), signed_in(olga)
    clients, url = [signed_in(dora), key_client(dora)], f"/api/events/{event.pk}/attendees/"
    assert [client.get(url).status_code for client in clients] == [200, 200]
    assert "email" not in str(clients[0].get(f"{url}?search=zoe").data["results"])

    owner.patch(f"{team_of(event)}{member.pk}/", {"role": "editor"})
    demoted = [problem(client.get(url)) for client in clients]
    owner.delete(f"{team_of(event)}{member.pk}/")
    removed = [problem(client.get(url)) for client in clients]

    assert demoted == [(403, "role_too_low")] * 2
    assert removed == [(403, "permission_denied")] * 2


def test_member_leaves_and_takes_a_weaker_role_but_no_stronger_one(dora, event, signed_in):
    with_role(dora, "registrar", event)
    url, client = f"{team_of(event)}{TeamMember.objects.get().pk}/", signed_in(dora)

    assert problem(client.patch(url, {"role": "editor"})) == (403, "role_too_low")
    assert client.patch(url, {"role": "door"}).status_code == 200
    assert client.delete(url).status_code == 204
    assert problem(client.delete(url)) == (403, "permission_denied")


def test_editor_gives_himself_no_rights_over_people(dora, event, signed_in):
    with_role(dora, "editor", event)
    url, client = f"{team_of(event)}{TeamMember.objects.get().pk}/", signed_in(dora)

    for role in ("registrar", "door"):
        assert problem(client.patch(url, {"role": role})) == (403, "role_too_low")
    assert client.get(f"/api/events/{event.pk}/attendees/").status_code == 403


def test_manager_does_not_weaken_the_invitation_of_another_manager(olga, mia, event, signed_in):
    body = {"email": "new@example.com", "role": "manager"}
    assert signed_in(olga).post(team_of(event), body).status_code == 201

    response = signed_in(mia).post(team_of(event), {**body, "role": "door"})

    assert problem(response) == (403, "role_too_low")


def test_member_s_work_is_recorded_as_that_of_an_organizer(dora, event, signed_in):
    with_role(dora, "door", event)
    ticket = {"ticket_code": registered(event).ticket_code}

    signed_in(dora).post(f"/api/events/{event.pk}/check-in/", ticket)

    entry = LedgerEntry.objects.get(kind="checked_in")
    assert (entry.actor, entry.reason) == (dora, "by_organizer")


def test_calendar_of_a_member_has_the_event_and_its_link_by_role(dora, event, signed_in):
    Event.objects.update(meeting_url=LINK)
    url = signed_in(dora).get("/api/me/").data["calendar_url"]
    client = signed_in(dora)
    before = client.get(url).content.decode()

    with_role(dora, "door", event)
    at_door = client.get(url).content.decode()
    TeamMember.objects.update(role="editor")
    as_editor = client.get(url).content.decode()
    TeamMember.objects.all().delete()
    removed = client.get(url).content.decode()

    name, texts = f"event-{event.pk}@", (before, at_door, as_editor, removed)
    assert [name in text for text in texts] == [False, True, True, False]
    assert [LINK in text for text in texts] == [False, False, True, False]


@pytest.mark.parametrize(("role", "sees_link"), [("manager", True), ("door", False)])
def test_calendar_of_a_member_on_the_waitlist_has_what_the_role_shows(
    olga, dora, signed_in, role, sees_link
):
    event = EventFactory(organizer=olga, max_capacity=1, waitlist_enabled=True, meeting_url=LINK)
    registered(event)
    registered(event, user=dora)
    client = signed_in(with_role(dora, role, event))

    calendar = client.get(client.get("/api/me/").data["calendar_url"]).content.decode()

    assert f"event-{event.pk}@" in calendar
    assert (LINK in calendar, "STATUS:TENTATIVE" in calendar) == (sees_link, not sees_link)


def test_staff_manage_a_team(sam, event, signed_in):
    grant(sam, "events.change_event")

    response = signed_in(sam).post(team_of(event), {"email": "x@example.com", "role": "manager"})

    assert response.status_code == 201


# --- transfers ---


@pytest.fixture
def offered(olga, event, dora, signed_in) -> int:
    response = signed_in(olga).post(f"/api/events/{event.pk}/transfer/", {"email": dora.email})
    assert (response.status_code, response.data["role"]) == (202, "owner")
    return response.data["id"]


def test_transfer_is_complete_when_it_is_accepted(olga, dora, event, offered, signed_in):
    before = signed_in(olga).get(f"/api/events/{event.pk}/").data["my_role"]

    accepted = signed_in(dora).post(f"/api/me/invitations/{offered}/accept/")

    assert (accepted.status_code, accepted.data["role"]) == (200, "owner")
    roles = [
        signed_in(user).get(f"/api/events/{event.pk}/").data["my_role"] for user in (olga, dora)
    ]
    assert (before, roles) == ("owner", ["manager", "owner"])
    event.refresh_from_db()
    assert event.organizer == dora


def test_transfer_needs_the_organizer_role(dora, event, offered, signed_in):
    User.objects.filter(pk=dora.pk).update(role=User.Role.ATTENDEE)

    response = signed_in(dora).post(f"/api/me/invitations/{offered}/accept/")

    assert problem(response) == (403, "organizer_role_required")
    event.refresh_from_db()
    assert event.organizer != dora


def test_only_the_owner_transfers(mia, event, signed_in):
    response = signed_in(mia).post(f"/api/events/{event.pk}/transfer/", {"email": mia.email})

    assert problem(response) == (403, "role_too_low")
    assert response.json()["required"] == ["owner"]


def test_withdrawn_transfer_cannot_be_accepted(olga, dora, event, offered, signed_in):
    assert signed_in(olga).delete(f"/api/events/{event.pk}/transfer/").status_code == 204

    assert signed_in(dora).post(f"/api/me/invitations/{offered}/accept/").status_code == 404


def test_transferred_occurrence_leaves_the_series_of_the_former_owner(olga, dora, signed_in):
    series = SeriesFactory(organizer=olga)
    event = series.events.order_by("start_time").first()
    offer = signed_in(olga).post(f"/api/events/{event.pk}/transfer/", {"email": dora.email})
    signed_in(dora).post(f"/api/me/invitations/{offer.data['id']}/accept/")

    edited = signed_in(olga).patch(f"/api/series/{series.pk}/", {"name": "Taken"})
    ended = signed_in(olga).delete(f"/api/series/{series.pk}/")

    assert (edited.status_code, ended.status_code) == (200, 204)
    shown = signed_in(dora).get(f"/api/events/{event.pk}/").json()
    assert (shown["name"], shown["series"], shown["my_role"]) == (event.name, None, "owner")


def test_transfer_of_a_series_ends_offers_of_its_events(olga, dora, max_, signed_in):
    User.objects.filter(pk=max_.pk).update(email_verified_at=timezone.now())
    series = SeriesFactory(organizer=olga)
    event = series.events.first()
    old = signed_in(olga).post(f"/api/events/{event.pk}/transfer/", {"email": max_.email}).data
    new = signed_in(olga).post(f"/api/series/{series.pk}/transfer/", {"email": dora.email}).data
    signed_in(dora).post(f"/api/me/invitations/{new['id']}/accept/")

    response = signed_in(max_).post(f"/api/me/invitations/{old['id']}/accept/")

    assert response.status_code == 404
    event.refresh_from_db()
    assert event.organizer == dora


def test_transfer_by_an_owner_with_an_older_role_on_an_event_succeeds(olga, dora, max_, signed_in):
    User.objects.filter(pk=max_.pk).update(email_verified_at=timezone.now())
    series = SeriesFactory(organizer=olga)
    event = series.events.first()
    with_role(dora, "editor", event)
    TeamMember.objects.update(email="former@example.com")
    TeamMember.objects.filter(user=dora).update(event=event)
    Event.objects.filter(pk=event.pk).update(organizer=dora)  # as after an older transfer
    offer = signed_in(dora).post(f"/api/events/{event.pk}/transfer/", {"email": max_.email}).data

    response = signed_in(max_).post(f"/api/me/invitations/{offer['id']}/accept/")

    assert response.status_code == 200


def test_link_of_a_strangers_calendar_ends_with_the_accepted_invitation(
    client, olga, event, signed_in
):
    stranger = UserFactory(email="zoe@example.com", email_verified_at=None)
    url = signed_in(stranger).get("/api/me/").json()["calendar_url"]
    signed_in(olga).post(team_of(event), {"email": stranger.email, "role": "door"})
    _, token = link_to(stranger.email)
    form = {"token": token, "accept": "yes", "password": "seven-owls-9", "again": "seven-owls-9"}

    client.post("/invitation/", form)

    assert TeamMember.objects.get().user == stranger
    assert client.get(url.removeprefix("http://localhost:8000")).status_code in {401, 403, 404}


def test_transfer_of_a_series_has_its_events(olga, dora, signed_in):
    series = SeriesFactory(organizer=olga)
    body = {"email": dora.email}
    offered = signed_in(olga).post(f"/api/series/{series.pk}/transfer/", body).data["id"]

    accepted = signed_in(dora).post(f"/api/me/invitations/{offered}/accept/")

    assert accepted.status_code == 200
    series.refresh_from_db()
    assert series.organizer == dora
    assert set(series.events.values_list("organizer", flat=True)) == {dora.pk}
    assert TeamMember.objects.get().role == Role.MANAGER


def test_account_is_deleted_once_its_events_have_another_owner(
    olga, dora, event, offered, signed_in
):
    body = {"password": PASSWORD}

    refused = signed_in(olga).delete("/api/me/", body)
    signed_in(dora).post(f"/api/me/invitations/{offered}/accept/")
    deleted = signed_in(olga).delete("/api/me/", body)

    assert problem(refused) == (409, "account_has_upcoming_events")
    assert [row["id"] for row in refused.json()["events"]] == [event.pk]
    assert deleted.status_code == 204
    assert not TeamMember.objects.exists()


def test_offer_of_a_past_event_outlives_the_account_which_gets_no_role(
    olga, dora, event, offered, signed_in
):
    start = timezone.now() - timedelta(days=1)
    Event.objects.filter(pk=event.pk).update(start_time=start, end_time=start + timedelta(hours=1))
    assert signed_in(olga).delete("/api/me/", {"password": PASSWORD}).status_code == 204

    accepted = signed_in(dora).post(f"/api/me/invitations/{offered}/accept/")

    assert accepted.status_code == 200
    assert Event.objects.get(pk=event.pk).organizer == dora
    assert not TeamMember.objects.exists()


def test_unfinished_series_keeps_its_owner(olga, signed_in):
    series = SeriesFactory(organizer=olga)
    Event.objects.filter(series=series).update(organizer=UserFactory())

    response = signed_in(olga).delete("/api/me/", {"password": PASSWORD})

    assert problem(response) == (409, "account_has_upcoming_events")
    assert [row["id"] for row in response.json()["series"]] == [series.pk]


def test_account_that_ends_has_no_roles_and_no_invitations(dora, event, invited, signed_in):
    confirm_email(dora, by_owner=True)

    signed_in(dora).delete("/api/me/", {"password": PASSWORD})

    assert not TeamMember.objects.exists()


def test_examples_of_the_documentation_work(olga, dora, event, signed_in):
    text = (Path(settings.BASE_DIR) / "docs" / "teams.md").read_text()
    invite, accept = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names = {"owner": signed_in(olga), "dora": signed_in(dora), "event_id": event.pk}

    exec(invite, names)
    exec(accept, names)

    assert names["invited"].data["user"] is None
    assert names["accepted"].data["state"] == "active"


@pytest.fixture
def root_client(db) -> Client:
    client = Client()
    client.force_login(UserFactory(username="root", is_staff=True, is_superuser=True))
    return client


def save_in_admin(client: Client, event: Event, *rows: dict[str, object]):
    """Posts the page of an event in the admin, with these rows of its team."""
    path = f"/admin/events/event/{event.pk}/change/"
    form = client.get(path).context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    sent = {name: value for name, value in values.items() if value not in (None, False)}
    number = sum("id" in row for row in rows)
    team = {"team-TOTAL_FORMS": len(rows), "team-INITIAL_FORMS": number}
    for position, row in enumerate(rows):
        team |= {f"team-{position}-{name}": value for name, value in row.items()}
    return client.post(path, {**sent, **team})


def test_admin_invites_on_the_page_of_an_event(root_client, event):
    response = save_in_admin(root_client, event, {"email": "New@example.com", "role": "door"})

    member = TeamMember.objects.get()
    assert response.status_code == 302
    assert (member.email, member.role, member.state) == ("new@example.com", "door", "invited")
    assert len(mails_to("new@example.com")) == 1
    entry = changes_of(event)[0]
    assert (entry.action, entry.actor.username) == ("invited", "root")


def test_admin_changes_and_ends_roles_on_the_page_of_an_event(root_client, dora, mia, event):
    with_role(dora, "door", event)
    rows = {member.user: member.pk for member in event.team.all()}

    save_in_admin(
        root_client,
        event,
        {"id": rows[mia], "role": "manager", "DELETE": "on"},
        {"id": rows[dora], "role": "registrar"},
    )

    assert list(event.team.values_list("user__username", "role")) == [("dora", "registrar")]
    actions = [entry.action for entry in changes_of(event)[:2]]
    assert sorted(actions) == ["member removed", "role changed"]


def test_admin_withdraws_a_transfer_on_the_page_of_an_event(root_client, olga, event, signed_in):
    signed_in(olga).post(f"/api/events/{event.pk}/transfer/", {"email": "new@example.com"})
    member = TeamMember.objects.get()

    save_in_admin(root_client, event, {"id": member.pk})
    kept = TeamMember.objects.filter(role="owner").exists()
    save_in_admin(root_client, event, {"id": member.pk, "DELETE": "on"})

    assert kept
    assert not TeamMember.objects.exists()
    assert changes_of(event)[0].action == "transfer withdrawn"


def test_admin_says_why_a_member_cannot_be_invited(root_client, olga, event):
    response = save_in_admin(root_client, event, {"email": olga.email, "role": "door"})

    [formset] = [each.formset for each in response.context["inline_admin_formsets"]]
    assert response.status_code == 200
    assert formset.forms[0].non_field_errors() == [AlreadyMember.detail]
    assert not TeamMember.objects.exists()


def test_admin_leaves_the_team_as_it_is_without_its_rows(root_client, mia, event):
    path = f"/admin/events/event/{event.pk}/change/"
    form = root_client.get(path).context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    sent = {name: value for name, value in values.items() if value not in (None, False)}

    response = root_client.post(path, {**sent, "name": "New"})

    assert response.status_code == 302
    assert list(event.team.values_list("user__username", "role")) == [("mia", "manager")]


def test_admin_shows_the_team_and_removes_members_with_an_audit(olga, dora, event, signed_in):
    with_role(dora, "door", event)
    signed_in(olga).post(team_of(event), {"email": "new@example.com", "role": "editor"})
    member, client = TeamMember.objects.get(user=dora), Client()
    client.force_login(UserFactory(username="root", is_staff=True, is_superuser=True))
    url = "/admin/events/teammember/"
    form = {"action": "remove_members", "_selected_action": [member.pk], "confirmed": "yes"}

    page = client.get(f"/admin/events/event/{event.pk}/change/").content.decode()
    listed = client.get(f"{url}?event__id__exact={event.pk}").content.decode()
    client.post(url, form)

    assert "new@example.com" in page  # invitations can be withdrawn there
    assert "dora" in page
    assert dora.email in listed
    assert not TeamMember.objects.filter(pk=member.pk).exists()
    assert changes_of(event)[0].action == "member removed"


def test_role_on_one_event_is_none_on_another(dora, signed_in):
    with_role(dora, "manager", EventFactory())
    others = [EventFactory(), EventFactory(series=SeriesFactory())]

    for other in others:
        seen = signed_in(dora).get(f"/api/events/{other.pk}/").json()
        attendees = signed_in(dora).get(f"/api/events/{other.pk}/attendees/")
        assert (seen["my_role"], seen["my_rights"]) == (None, [])
        assert problem(attendees) == (403, "permission_denied")


def test_superuser_who_became_a_member_sees_no_drafts_of_others(signed_in):
    draft = EventFactory(status="draft")
    root = UserFactory(username="root", is_staff=True, is_superuser=True)
    path = f"/api/events/{draft.pk}/"
    assert signed_in(root).get(path).status_code == 200

    User.objects.filter(pk=root.pk).update(is_staff=False, is_superuser=False)
    with_role(root, "door", EventFactory())

    assert signed_in(User.objects.get(pk=root.pk)).get(path).status_code == 404
