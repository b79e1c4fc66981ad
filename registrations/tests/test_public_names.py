"""The list of names, which everybody reads if the event has it."""

import re
from datetime import timedelta
from html import unescape

import pytest

from accounts.tests.factories import key_client
from events.access_keys import key_query
from events.links import slug_of
from events.models import Event
from events.services import cancel_event
from events.tests.factories import EventFactory, with_role
from registrations.models import Registration
from registrations.services import cancel_registration
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db


@pytest.fixture
def named(olga) -> Event:
    return EventFactory(organizer=olga, attendee_list="names", max_capacity=4)


def path_of(event, query="") -> str:
    return f"/api/events/{event.pk}/attendees/{query}"


def names_of(response) -> list[dict]:
    assert response.status_code == 200, response.content
    return response.json()["results"]


def test_everybody_reads_the_names_of_those_who_agree(clock, named, anyone, signed_in, max_):
    for name in ("Zoe", "Bea", "Ádám"):
        registered(named, name=name, show_name=name != "Zoe")
    cancel_registration(registered(named, name="Cleo", show_name=True), by=None)

    answers = [client.get(path_of(named)) for client in (anyone, signed_in(max_))]

    names = [{"name": "Ádám"}, {"name": "Bea"}]
    assert [names_of(answer) for answer in answers] == [names, names]
    assert [answer["Cache-Control"] for answer in answers] == ["no-store"] * 2


def test_waitlisted_and_erased_people_are_not_named(clock, olga, anyone):
    event = EventFactory(
        organizer=olga, attendee_list="names", max_capacity=1, waitlist_enabled=True
    )
    seated = registered(event, name="Ann", show_name=True)
    registered(event, name="Bea", show_name=True)

    before = names_of(anyone.get(path_of(event)))
    Registration.objects.filter(pk=seated.pk).erase_people()
    after = names_of(anyone.get(path_of(event)))

    assert (before, after) == ([{"name": "Ann"}], [])


def test_pages_follow_the_alphabet(clock, named, anyone):
    for name in ("Cem", "Ann", "Bea"):
        registered(named, name=name, show_name=True)

    first = anyone.get(path_of(named, "?page_size=2&count=true")).json()
    second = anyone.get(first["next"]).json()

    assert [row["name"] for row in first["results"] + second["results"]] == ["Ann", "Bea", "Cem"]
    assert first["count"] == 3
    assert "counts" not in first


def test_a_hidden_list_is_for_the_team(clock, event, anyone, signed_in, max_):
    registered(event, show_name=True)

    statuses = [client.get(path_of(event)).status_code for client in (anyone, signed_in(max_))]

    assert statuses == [401, 403]


@pytest.mark.parametrize("query", ["?search=ann", "?status=waitlisted", "?checked_in=true"])
def test_filters_on_people_are_for_the_team(clock, named, olga, anyone, signed_in, max_, query):
    clients = anyone, signed_in(max_), signed_in(olga)

    statuses = [client.get(path_of(named, query)).status_code for client in clients]

    assert statuses == [401, 403, 200]


@pytest.mark.parametrize("ordering", ["email", "registered_at", "-registered_at"])
def test_other_orders_would_reveal_more_than_names(clock, named, anyone, ordering):
    response = anyone.get(path_of(named, f"?ordering={ordering}"))

    assert response.status_code == 400


def test_the_team_reads_the_whole_list(clock, named, signed_in, olga, max_, ana):
    registered(named, name="Ann")

    whole = names_of(signed_in(olga).get(path_of(named)))
    at_door = names_of(signed_in(with_role(max_, "door", named)).get(path_of(named)))
    of_editor = names_of(signed_in(with_role(ana, "editor", named)).get(path_of(named)))

    assert whole[0]["show_name"] is False
    assert at_door[0].keys() >= {"id", "name", "status"}
    assert of_editor == []


def test_keys_need_no_scope_for_the_names(clock, named, event, olga):
    client = key_client(olga, "events:write")
    registered(named, name="Ann", show_name=True)

    names = names_of(client.get(path_of(named)))
    refused = [client.get(path) for path in (path_of(named, "?search=ann"), path_of(event))]

    assert names == [{"name": "Ann"}]
    assert [answer.json()["code"] for answer in refused] == ["insufficient_scope"] * 2


def test_an_unlisted_event_shows_its_names_by_its_key(clock, olga, anyone, signed_in, max_):
    event = EventFactory(organizer=olga, attendee_list="names", visibility="unlisted")
    registered(event, name="Ann", show_name=True, is_opened=True)

    names = names_of(anyone.get(path_of(event, key_query(event))))
    hidden = [client.get(path_of(event)).status_code for client in (anyone, signed_in(max_))]

    assert names == [{"name": "Ann"}]
    assert hidden == [401, 404]


@pytest.mark.django_db(transaction=True)
def test_show_name_is_given_and_changed(named, anyone):
    body = {"name": "Bob", "email": "bob@example.com", "show_name": True}
    made = anyone.post(f"/api/events/{named.pk}/register/", body).json()
    path = f"/api/registrations/{made['id']}/?token={made['manage_token']}"

    before = names_of(anyone.get(path_of(named)))
    edited = anyone.patch(path, {"show_name": False})
    after = names_of(anyone.get(path_of(named)))

    assert made["show_name"] is True
    assert (before, after) == ([{"name": "Bob"}], [])
    assert edited.json()["show_name"] is False


def test_each_change_of_show_name_is_in_the_feed(clock, named, anyone, signed_in, olga):
    body = {"name": "Bob", "email": "bob@example.com"}
    made = anyone.post(f"/api/events/{named.pk}/register/", body).json()
    path = f"/api/registrations/{made['id']}/?token={made['manage_token']}"

    for value in (True, True, False):
        anyone.patch(path, {"show_name": value})

    changes = signed_in(olga).get("/api/changes/?type=registration.updated").json()["results"]
    assert len(changes) == 2


def test_who_is_handed_a_registration_agrees_anew(clock, named, signed_in, olga, anyone):
    registration = registered(named, name="Ann", show_name=True)
    path = f"/api/registrations/{registration.pk}/"

    edited = signed_in(olga).patch(path, {"name": "Bea", "email": "bea@example.com"})

    assert edited.json()["show_name"] is False
    assert names_of(anyone.get(path_of(named))) == []


# --- on the pages for people ---


def page_of(event, rest="") -> str:
    return f"/e/{event.pk}-{slug_of(event.name)}{rest}"


def names_on(response) -> list[str]:
    assert response.status_code == 200
    [names] = re.findall(r'<ul class="names">(.*?)</ul>', response.content.decode()) or [""]
    return [unescape(name) for name in re.findall(r"<li>(.*?)</li>", names)]


def test_the_page_of_an_event_shows_the_names_of_those_who_agree(
    clock, named, event, client, django_assert_num_queries
):
    for name in ("Zoe", "Bea <b>", "Ádám"):
        registered(named, name=name, show_name=name != "Zoe")
    registered(event, name="Ann", show_name=True)

    with django_assert_num_queries(2):
        page = client.get(page_of(named))
    with django_assert_num_queries(1):
        hidden = client.get(page_of(event))

    assert names_on(page) == ["Ádám", "Bea <b>"]
    assert names_on(hidden) == []
    assert "/people" not in page.content.decode()
    assert client.get(page_of(event, "/people")).status_code == 404


def test_the_form_offers_to_show_the_name_where_names_are_shown(clock, named, event, client):
    pages = [client.get(page_of(each)).content.decode() for each in (named, event)]
    form = dict(re.findall(r'<input type="hidden" name="(.*?)" value="(.*?)"', pages[0]))
    bob = {"name": "Bob", "email": "bob@example.com", "show_name": "yes"}
    clock.shift(timedelta(seconds=10))
    refused = client.post(page_of(named), {**form, **bob, "email": "bob@"}).content.decode()
    client.post(page_of(named), {**form, **bob})

    assert ['name="show_name"' in page for page in pages] == [True, False]
    assert 'name="show_name" value="yes" checked' in refused
    assert names_on(client.get(page_of(named))) == ["Bob"]


def test_names_of_a_cancelled_event_are_of_the_past(clock, named, client):
    registered(named, name="Ann", show_name=True)

    before = client.get(page_of(named)).content.decode()
    cancel_event(named)
    after = [client.get(page_of(named, rest)).content.decode() for rest in ("", "/people")]

    assert "Who is coming" in before
    assert ["Who had a seat" in page for page in after] == [True, True]


def test_further_names_are_on_pages_of_their_own(clock, monkeypatch, olga, client):
    for name in ("NAMES_ON_EVENT_PAGE", "NAMES_ON_PAGE"):
        monkeypatch.setattr(f"registrations.pages.names.{name}", 2)
    event = EventFactory(organizer=olga, attendee_list="names", visibility="unlisted")
    for name in ("Cem", "Ann", "Bea"):
        registered(event, name=name, show_name=True, is_opened=True)
    key = key_query(event)

    page = client.get(page_of(event, key))
    first = client.get(page_of(event, f"/people{key}"))
    link = unescape(re.search(r'rel="next" href="(.*?)"', first.content.decode())[1])
    second = client.get(page_of(event, f"/people{link}"))

    assert f'href="{page_of(event, "/people")}{key}"' in page.content.decode()
    assert [names_on(each) for each in (page, first, second)] == [
        ["Ann", "Bea"], ["Ann", "Bea"], ["Cem"],
    ]  # fmt: skip
    assert first["X-Robots-Tag"] == "noindex"
    assert client.get(page_of(event, "/people")).status_code == 404
    assert client.get(page_of(event, f"/people{key}&cursor=x")).status_code == 400
