"""Unlisted events: in no list of others, and closed without their key, a role or a place."""

import asyncio
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import reverse
from django.utils import timezone

from config.errors import NotFound
from events.access_keys import key_of_event
from events.links import page_url
from events.live import SeatWatch, read_seats
from events.models import Event
from events.tests.factories import EventFactory, SeriesFactory, with_role
from registrations.models import Feedback, Registration
from registrations.services import cancel_registration
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db

BELOW = ["", "calendar.ics", "feedback/", "form/", "form/schema/", "stream/"]
GUEST = {"name": "Bob", "email": "bob@example.com"}


@pytest.fixture
def unlisted(olga) -> Event:
    return EventFactory(organizer=olga, visibility="unlisted", name="Zanzibar retreat")


def path_of(event, below="", key=None):
    query = f"?key={key or key_of_event(event)}" if key != "" else ""
    return f"/api/events/{event.pk}/{below}{query}"


def register_path(event, key=None):
    return path_of(event, "register/", key)


@pytest.mark.parametrize("below", BELOW)
def test_event_opens_with_its_key_alone(clock, unlisted, anyone, signed_in, max_, below):
    other = EventFactory(visibility="unlisted")

    statuses = [
        client.get(path_of(unlisted, below, key)).status_code
        for client in (anyone, signed_in(max_))
        for key in (None, "", "wrong", key_of_event(other))
    ]

    assert statuses == [200, 404, 404, 404] * 2


@pytest.mark.parametrize("role", ["manager", "editor", "registrar", "door"])
def test_roles_need_no_key(clock, unlisted, signed_in, max_, role):
    client = signed_in(with_role(max_, role, unlisted))

    statuses = {client.get(path_of(unlisted, below, "")).status_code for below in BELOW[:5]}

    assert statuses == {200}


def test_a_place_opens_the_event_until_it_ends(clock, unlisted, signed_in, ana, max_):
    place = registered(unlisted, email=ana.email, user=ana, registered_by=ana, is_opened=True)
    of_guest = registered(unlisted, registered_by=max_, is_opened=True)
    clients = signed_in(ana), signed_in(max_)

    before = [client.get(path_of(unlisted, "", "")).status_code for client in clients]
    for registration in (place, of_guest):
        cancel_registration(registration, by=ana)
    after = [client.get(path_of(unlisted, "", "")).status_code for client in clients]

    assert (before, after) == ([200, 200], [404, 404])


def test_links_of_an_unlisted_event_have_its_key(clock, unlisted, event, signed_in, olga):
    shown = signed_in(olga).get(path_of(unlisted, "", "")).json()
    public = signed_in(olga).get(f"/api/events/{event.pk}/").json()
    calendar = signed_in(olga).get(path_of(unlisted, "calendar.ics", "")).content.decode()

    key = key_of_event(unlisted)
    assert (shown["visibility"], public["visibility"]) == ("unlisted", "public")
    for name in ("calendar_url", "page_url"):
        assert parse_qs(urlsplit(shown[name]).query) == {"key": [key]}
        assert "?" not in public[name]
    assert f"?key={key}" in calendar.replace("\r\n ", "")


def test_resetting_the_key_ends_earlier_links(clock, unlisted, anyone, signed_in, olga):
    old = key_of_event(unlisted)

    reset = signed_in(olga).post(path_of(unlisted, "key/reset/", ""))

    new = parse_qs(urlsplit(reset.json()["calendar_url"]).query)["key"][0]
    assert reset.status_code == 200
    assert anyone.get(path_of(unlisted, key=old)).status_code == 404
    assert anyone.get(path_of(unlisted, key=new)).status_code == 200


def test_public_events_ignore_the_key(event, anyone):
    answers = [
        anyone.get(path_of(event, key="wrong")),
        anyone.get(path_of(event, "calendar.ics", "wrong")),
        anyone.post(register_path(event, "wrong"), GUEST),
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 201]


def test_responses_by_key_are_for_no_shared_cache(unlisted, event, anyone):
    responses = anyone.get(path_of(unlisted)), anyone.get(f"/api/events/{event.pk}/")

    controls = [response["Cache-Control"] for response in responses]
    assert controls == ["private, no-cache", "no-cache"]


def test_key_must_not_be_repeated(unlisted, anyone):
    response = anyone.get(f"{path_of(unlisted)}&key=x")

    assert response.status_code == 400
    assert response.json()["errors"][0]["code"] == "repeated"


class TestRegistering:
    @pytest.mark.parametrize("key", ["", "wrong"])
    def test_needs_the_key(self, unlisted, anyone, signed_in, max_, key):
        answers = [
            anyone.post(register_path(unlisted, key), GUEST),
            anyone.post(register_path(unlisted, key), {"name": 1}),
            signed_in(max_).post(register_path(unlisted, key), {}),
        ]

        assert [answer.status_code for answer in answers] == [404, 404, 404]
        assert Registration.objects.count() == 0

    @pytest.mark.django_db(transaction=True)
    def test_with_the_key_takes_a_seat(self, unlisted, anyone):
        response = anyone.post(register_path(unlisted), GUEST)

        unlisted.refresh_from_db()
        assert (response.status_code, unlisted.registered_count) == (201, 1)

    @pytest.mark.django_db(transaction=True)
    def test_with_a_role_needs_no_key(self, unlisted, signed_in, olga):
        response = signed_in(olga).post(register_path(unlisted, ""), GUEST)

        assert response.status_code == 201

    def test_refusals_are_hidden_without_the_key(self, unlisted, anyone):
        Event.objects.filter(pk=unlisted.pk).update(max_capacity=1)
        registered(unlisted, **GUEST, is_opened=True)
        other = {"name": "Ann", "email": "ann@example.com"}

        hidden = [
            anyone.post(register_path(unlisted, ""), body).json()["code"]
            for body in (GUEST, other, other)  # a process remembers that an event was full
        ]
        shown = [
            anyone.post(register_path(unlisted), body).json()["code"] for body in (GUEST, other)
        ]

        assert hidden == ["not_found"] * 3
        assert shown == ["already_registered", "event_full"]


class TestLists:
    @pytest.mark.parametrize(
        "path",
        [
            "/api/events/?when=all&count=true",
            "/api/events/?search=zanzibar&count=true",
            "/api/events/?search=zanzibra&count=true",
            "/api/events/facets/?search=zanzibar",
            "/api/events/suggest/?q=zanz",
            "/api/events/calendar.ics",
            "/api/categories/",
            "/api/series/",
        ],
    )
    def test_of_others_have_no_unlisted_event(self, clock, anyone, signed_in, ana, olga, path):
        places = anyone, signed_in(ana)
        before = [client.get(path).content for client in places]

        unlisted = EventFactory(organizer=olga, visibility="unlisted", name="Zanzibar retreat")
        SeriesFactory(organizer=olga, visibility="unlisted")
        registered(unlisted, email=ana.email, user=ana, registered_by=ana, is_opened=True)

        assert [client.get(path).content for client in places] == before

    @pytest.mark.parametrize("path", ["/api/me/events/", "/api/events/", "/api/events/?search=zan"])
    def test_of_roles_have_them(self, clock, unlisted, signed_in, olga, path):
        results = signed_in(olga).get(path).json()["results"]

        assert [result["id"] for result in results] == [unlisted.pk]


class TestSeries:
    def test_passes_its_visibility_on(self, clock, olga, signed_in):
        series = SeriesFactory(organizer=olga)
        client = signed_in(olga)

        response = client.patch(f"/api/series/{series.pk}/", {"visibility": "unlisted"})

        keys = {key_of_event(event) for event in series.events.all()}
        assert response.json()["visibility"] == "unlisted"
        assert len(keys - {None}) == 3

    def test_unlisted_one_is_for_its_roles(self, clock, olga, max_, anyone, signed_in):
        series = SeriesFactory(organizer=olga, visibility="unlisted")

        answers = [c.get(f"/api/series/{series.pk}/") for c in (anyone, signed_in(max_))]
        own = signed_in(olga).get(f"/api/series/{series.pk}/")

        assert [answer.status_code for answer in answers] == [404, 404]
        assert own.json()["occurrence_count"] == 3

    def test_public_one_does_not_count_unlisted_events(self, clock, olga, anyone):
        series = SeriesFactory(organizer=olga)
        series.events.filter(pk=series.events.first().pk).update(visibility="unlisted")

        shown = anyone.get(f"/api/series/{series.pk}/").json()
        (listed,) = anyone.get("/api/series/").json()["results"]

        assert (shown["occurrence_count"], listed["occurrence_count"]) == (2, 2)


def test_stream_ends_for_a_key_that_was_replaced(unlisted):
    key = key_of_event(unlisted)
    (seats,) = read_seats([unlisted.pk]).values()

    async def watch(given: str) -> bool:
        watch = SeatWatch(4, lambda event_ids: dict.fromkeys(event_ids, seats))
        try:
            async with watch.viewer(unlisted.pk, "a", given):
                return True
        except NotFound:
            return False

    assert [asyncio.run(watch(given)) for given in (key, "", "wrong")] == [True, False, False]
    Event.objects.filter(pk=unlisted.pk).update(key_number=2)
    (seats,) = read_seats([unlisted.pk]).values()
    assert not seats.are_open_to(key)


def test_copy_of_an_unlisted_event_has_another_key(clock, unlisted, olga, signed_in):
    start = "2027-06-01T10:00:00Z"

    copy = signed_in(olga).post(path_of(unlisted, "duplicate/", ""), {"start_time": start}).json()

    assert copy["visibility"] == "unlisted"
    assert key_of_event(unlisted) not in copy["calendar_url"]


def test_feedback_by_its_id_needs_the_key(clock, unlisted, anyone, ana):
    feedback = Feedback.objects.create(event=unlisted, author=ana, rating=5)

    statuses = [
        anyone.get(f"/api/feedback/{feedback.pk}/{query}").status_code
        for query in ("", "?key=wrong", f"?key={key_of_event(unlisted)}")
    ]

    assert statuses == [404, 404, 200]


class TestPages:
    def test_page_opens_with_the_key_and_is_not_indexed(self, clock, unlisted, event, client):
        page = urlsplit(page_url(unlisted))

        opened = client.get(f"{page.path}?{page.query}")
        closed = [client.get(path) for path in (page.path, f"{page.path}?key=wrong")]
        renamed = client.get(f"/e/{unlisted.pk}?{page.query}")

        noindex = b'<meta name="robots" content="noindex">'
        assert (opened.status_code, noindex in opened.content) == (200, True)
        assert [response.status_code for response in closed] == [404, 404]
        assert renamed["Location"] == f"{page.path}?{page.query}"
        assert noindex not in client.get(urlsplit(page_url(event)).path).content

    def test_links_of_the_page_have_the_key(self, clock, unlisted, client):
        page = urlsplit(page_url(unlisted))
        html = client.get(f"{page.path}?{page.query}").content.decode()

        links = re.findall(r'(?:href|action|data-stream)="([^"]*(?:/e/|/events/)[^"]*)"', html)

        assert len(links) > 4
        assert [link for link in links if f"key={key_of_event(unlisted)}" not in link] == []

    def test_registration_leads_to_the_page_while_it_is_live(self, clock, unlisted, anyone):
        made = anyone.post(register_path(unlisted), GUEST).json()
        path = f"/api/registrations/{made['id']}/?token={made['manage_token']}"

        before = anyone.get(path).json()["event"]["page_url"]
        anyone.delete(path)
        after = anyone.get(path).json()["event"]["page_url"]

        assert made["event"]["page_url"] == before == page_url(unlisted)
        assert after is None

    @pytest.mark.parametrize("status", ["cancelled", "rejected"])
    def test_registration_that_ended_has_no_place(self, clock, unlisted, anyone, client, status):
        made = anyone.post(register_path(unlisted), GUEST).json()
        query = f"?token={made['manage_token']}"
        ended_at = timezone.now() if status == "cancelled" else None
        Registration.objects.filter(pk=made["id"]).update(status=status, cancelled_at=ended_at)
        Event.objects.filter(pk=unlisted.pk).update(location="Hidden farm")

        shown = anyone.get(f"/api/registrations/{made['id']}/{query}").json()["event"]
        page = client.get(reverse("manage-registration", args=(made["id"],)) + query)

        assert made["event"]["location"] != ""
        assert (shown["name"], shown["location"]) == ("Zanzibar retreat", "")
        assert page.status_code == 200
        assert "Zanzibar retreat" in page.content.decode()
        assert "Hidden farm" not in page.content.decode()

    def test_calendar_link_of_a_registration_opens(self, clock, unlisted, anyone, client):
        made = anyone.post(register_path(unlisted), GUEST).json()
        address = reverse("manage-registration", args=(made["id"],))

        page = client.get(f"{address}?token={made['manage_token']}").content.decode()

        [link] = re.findall(r'href="([^"]*calendar\.ics[^"]*)"', page)
        assert client.get(link).status_code == 200

    def test_list_names_no_organizer_of_unlisted_events_alone(self, clock, unlisted, client, olga):
        before = client.get(f"/?organizer={olga.pk}").content.decode()
        EventFactory(organizer=olga)
        after = client.get(f"/?organizer={olga.pk}").content.decode()

        assert olga.username not in before
        assert olga.username in after
