"""Every viewer's pages of events have the bytes that the serializers give them."""

from datetime import timedelta
from unittest.mock import patch

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tests.factories import UserFactory, grant, key_client
from config.api.key_scopes import Scope
from config.api.sql import compiled_queries
from config.api.sql.compilation_cache import CompilationCache
from conftest import NOW
from events.models import Event, TeamMember
from events.search import page_cache
from events.tests.factories import CategoryFactory, EventFactory, SeriesFactory, with_role
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db

LIST, OWN = "/api/events/", "/api/me/events/"
SECRET = "https://meet.example.org/secret"
QUERIES = (
    "",
    "page_size=2&count=true",
    "ordering=-name",
    "category=meetup",
    "category=meetup&category=conference",
    "status=draft",
    "status=draft&status=cancelled",
    "when=all&timezone=Asia/Kolkata",
    "on=2027-01-17",
    "available=true",
    "search=fete",
    "search=fete 1&page_size=1",
    "search=fete&highlight=true",
    "search=no such words",
    "search=fete&near=2,-1&radius=400",
    "near=2,-1&radius=400&ordering=distance",
    "name=te",
)


@pytest.fixture(autouse=True)
def _empty_render_cache():
    page_cache.render_cache.clear()


@pytest.fixture
def clients(clock, olga, max_, ana, sam, signed_in) -> dict[str, APIClient]:
    """A programme of olga's and others', and everybody who may see it differently."""
    kinds = [None, CategoryFactory(slug="meetup"), CategoryFactory()]
    events = [
        EventFactory(
            name=f'"{number % 3}" – Fête',
            organizer=(olga, max_)[number % 2],
            category=kinds[number % 3],
            status=("published", "published", "draft", "cancelled")[number % 4],
            visibility="unlisted" if number == 9 else "public",
            start_time=NOW + timedelta(days=number // 2 + 1),
            meeting_url=SECRET if number % 3 else "",
            reminder_hours=[24, 2][: number % 3],
            pending_count=number,
            latitude=number + 0.5,
            longitude=-number,
        )
        for number in range(10)
    ]
    series = SeriesFactory(organizer=olga, name="Fête again")
    members = {
        role: signed_in(with_role(UserFactory(), role, events[1]))
        for role in ("manager", "editor", "registrar", "door")
    }
    return {
        "owner": signed_in(olga),
        "stranger": signed_in(ana),
        "staff": signed_in(grant(sam, "events.view_event")),
        "staff without rights": signed_in(UserFactory(is_staff=True)),
        "superuser": signed_in(UserFactory(is_superuser=True)),
        **members,
        "member of a series": signed_in(with_role(UserFactory(), "editor", series)),
        "key": key_client(olga),
        "key without details": key_client(olga, Scope.EVENTS_WRITE),
        "key of one event": key_client(olga, events=[events[0].pk]),
    }


@pytest.mark.parametrize("path", [LIST, OWN])
def test_pages_equal_the_serializers_for_every_viewer(clients, path):
    fast = {}
    for name, client in clients.items():
        for query in QUERIES:
            fast[name, query] = client.get(f"{path}?{query}", headers={"X-Request-ID": "same"})

    with patch("events.views.lists.rendered_page", return_value=None):
        for (name, query), response in fast.items():
            reference = clients[name].get(f"{path}?{query}", headers={"X-Request-ID": "same"})
            assert response.content == reference.content, (name, query)
            assert dict(response.items()) == dict(reference.items()), (name, query)


def test_meeting_links_are_shown_by_role_from_one_rendering(clients, anyone):
    shown = {
        name: client.get(f"{LIST}?when=all&page_size=100").content.count(SECRET.encode())
        for name, client in [("guest", anyone), *clients.items(), ("guest", anyone)]
    }

    assert shown == {
        "guest": 0,
        "owner": 2,
        "stranger": 0,
        "staff": 4,
        "staff without rights": 0,
        "superuser": 4,
        "manager": 1,
        "editor": 1,
        "registrar": 1,
        "door": 0,
        "member of a series": 0,
        "key": 2,
        "key without details": 0,
        "key of one event": 0,
    }


def test_a_role_that_ends_changes_the_next_page(olga, max_, signed_in):
    event = EventFactory(organizer=olga, meeting_url=SECRET)
    client = signed_in(with_role(max_, "editor", event))
    before = client.get(LIST).json()["results"][0]
    TeamMember.objects.filter(user=max_).delete()

    after = client.get(LIST).json()["results"][0]

    assert (before["my_role"], before["meeting_url"]) == ("editor", SECRET)
    assert (after["my_role"], "meeting_url" in after) == (None, False)


def test_a_new_owner_sees_the_details_and_the_former_one_does_not(olga, max_, signed_in):
    event = EventFactory(organizer=olga, meeting_url=SECRET)
    clients = [signed_in(olga), signed_in(max_)]
    before = [client.get(LIST).content.count(SECRET.encode()) for client in clients]
    Event.objects.filter(pk=event.pk).update(organizer=max_)

    after = [client.get(LIST).content.count(SECRET.encode()) for client in clients]

    assert (before, after) == ([1, 0], [0, 1])


def test_a_signed_in_page_of_known_events_takes_one_query_beside_the_session(
    olga, ana, anyone, signed_in, django_assert_num_queries
):
    EventFactory.create_batch(3, organizer=olga)
    anyone.get(LIST)
    client = signed_in(ana)
    User.objects.filter(pk=ana.pk).update(has_team=False)

    with django_assert_num_queries(2):
        assert len(client.get(LIST).json()["results"]) == 3


SHARED_QUERIES = (
    f"{LIST}?when=all&page_size=100",
    f"{LIST}?status=draft",
    f"{LIST}?search=fete",
    f"{LIST}facets/?when=all",
    OWN,
    f"{OWN}?ordering=-name&page_size=2",
    f"{OWN}?search=fete",
    f"{OWN}?role=manager",
    "/api/me/registrations/",
)


def test_viewers_in_turn_get_what_uncached_queries_return(clock, olga, max_, signed_in):
    """Viewers with the same rights share the SQL, in which only the id differs."""
    users = [olga, max_]
    managers = [UserFactory() for _ in users]
    for number, (user, manager) in enumerate(zip(users, managers, strict=True)):
        for status, visibility in (
            ("published", "public"),
            ("draft", "public"),
            ("published", "unlisted"),
        ):
            event = EventFactory(
                organizer=user,
                name=f"Fête of {number}",
                status=status,
                visibility=visibility,
                meeting_url=SECRET,
                start_time=NOW + timedelta(days=number + 1),
            )
            if status == "published":
                registered(event, user=users[number - 1], is_opened=True)
        with_role(manager, "manager", event)
    hidden = Event.objects.exclude(status="published", visibility="public")
    paths = [*SHARED_QUERIES, *(f"{LIST}{event.pk}/" for event in hidden)]
    clients = [
        *map(signed_in, [*users, *managers]),
        *(key_client(user) for user in users),
        *(signed_in(UserFactory(is_superuser=True)) for _ in range(2)),
    ]

    def responses(numbers):
        return {
            (number, path): clients[number].get(path, headers={"X-Request-ID": "same"}).content
            for number in numbers
            for path in paths
        }

    with patch.object(compiled_queries, "_compiled", return_value=None):
        uncached = responses(range(len(clients)))
    compiled = []
    for numbers in (range(len(clients)), reversed(range(len(clients)))):
        cache = CompilationCache(1000)
        with patch.object(compiled_queries, "_compiled", cache):
            compiled.append(responses(numbers))

    for name, content in uncached.items():
        assert [each[name] for each in compiled] == [content, content], name
