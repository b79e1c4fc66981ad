"""Hidden data is in no response: no list, search, feed, count, ETag, error or header.

A stranger's responses are the same bytes whether or not a hidden row exists.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tests.factories import UserFactory
from accounts.tokens import open_session
from config.api.views import ApiView
from events.models import Event
from events.search import short_parts, spelling
from events.services import delete_event
from events.tests.factories import EventFactory, SeriesFactory
from registrations.changes.log import sequence_changes
from registrations.models import Feedback
from registrations.tests.factories import registered

from .access import File, World, make_world
from .routes import METHODS, Route, routes

HIDDEN = "Quetzalcoatl"
# What a client can ask a list, beside each parameter it knows with the hidden word as its value.
QUERIES = ("", "?count=true&page_size=100", "?when=all&page_size=100&count=true", "?status=draft")
# Without these a response to the same request is the same.
_VOLATILE = {"Set-Cookie"}

Answer = tuple[int, dict[str, str], bytes]
Ids = dict[str, list[Any]]  # by the first part of the path of routes about them


@pytest.fixture
def world(clock, db, monkeypatch) -> World:
    # On a busy machine a search at its time limit answers without corrections.
    for module in (short_parts, spelling):
        monkeypatch.setattr(module, "LIMIT_MILLISECONDS", 60_000)
    return make_world()


def client_of(user: User | None) -> APIClient:
    client = APIClient(raise_request_exception=False)
    # The same id in each response, which contains it.
    client.credentials(HTTP_X_REQUEST_ID="the-same")
    if user is not None:
        access = open_session(user)["access"]
        client.credentials(HTTP_X_REQUEST_ID="the-same", HTTP_AUTHORIZATION=f"Bearer {access}")
    return client


def hide(world: World) -> Ids:
    """Things that strangers may not know of; each contains the word."""
    olga = world.people["olga"]
    words = {"name": f"{HIDDEN} gala", "description": HIDDEN, "location": HIDDEN}
    category = world.events["published"].category
    draft = EventFactory(
        organizer=olga, status=Event.Status.DRAFT, category=category,
        meeting_url=f"https://meet.example.com/{HIDDEN}", **words,
    )  # fmt: skip
    unlisted = EventFactory(
        organizer=olga, visibility="unlisted", category=category, **words,
    )  # fmt: skip
    series = SeriesFactory(organizer=olga, visibility="unlisted", **words)
    deleted = EventFactory(organizer=olga, category=category, **words)
    over = EventFactory(organizer=olga, **words)
    registration = registered(deleted, name=HIDDEN, email=f"{HIDDEN.lower()}@example.com")
    past = timezone.now() - timedelta(days=1)
    Event.objects.filter(pk=over.pk).update(start_time=past, end_time=past + timedelta(hours=1))
    feedback = Feedback.objects.create(event=over, author=olga, rating=1, comment=HIDDEN)
    of_published = Feedback.objects.create(
        event=world.events["past"],
        author=olga,
        rating=1,
        comment=HIDDEN,
        hidden_at=past,
        hidden_reason="Spam",
    )
    for event in (deleted, over):
        delete_event(event)
    user = UserFactory(username=HIDDEN.lower())
    return {
        "events": [draft.pk, unlisted.pk, deleted.pk, over.pk],
        "series": [series.pk],
        "feedback": [feedback.pk, of_published.pk],
        "users": [user.pk],
        "registrations": [registration.pk],
    }


def visible_ids(world: World) -> Ids:
    """Ids of everything, and of one registration, of which responses show people."""
    return {
        "events": [row.pk for row in world.events.values()],
        "series": [row.pk for row in world.series.values()],
        "feedback": [row.pk for row in world.feedback.values()],
        "users": [row.pk for row in world.people.values()],
        "registrations": [world.registrations["ana's"].pk],
    }


def addresses(route: Route, ids: Ids) -> Iterator[str]:
    """Those of a route for each id of what it is about; of an event where the path does not say."""
    if "<slug:" in route.path:
        yield route.address({"slug": "conference"})
    elif "<id:" in route.path or "<uuid:" in route.path:
        first = route.path.removeprefix("api/").partition("/")[0]
        kind = "events" if "<id:" in route.path else "registrations"
        for row_id in ids[first if first in ids else kind]:
            yield route.address({"pk": row_id})
    else:
        yield route.address({})


def questions(route: Route, *, searching: bool) -> Iterator[str]:
    """Queries for a GET; `searching` asks each parameter that the route knows for the word."""
    yield from QUERIES if "<" not in route.path else QUERIES[:1]
    if searching and isinstance(route.view, type) and issubclass(route.view, ApiView):
        for name in sorted(route.view().known_parameters("GET")):
            yield f"?{name}={HIDDEN}"


def ask(client: APIClient, method: str, address: str, body: Any = None) -> Answer:
    with transaction.atomic():
        send = getattr(client, method.lower())
        if isinstance(body, File):
            response = send(address, body.content, content_type=body.media_type)
        else:
            response = send(address) if method == "GET" else send(address, body or {})
        content = b"".join(response) if response.streaming else response.content
        transaction.set_rollback(True)
    headers = {name: value for name, value in response.items() if name not in _VOLATILE}
    return response.status_code, headers, content


def swept(client: APIClient, ids: Ids, *, searching: bool = False) -> dict[str, Answer]:
    """GET requests of every kind. What is refused without a query is refused with any."""
    answers = {}
    for route in routes():
        if route.path.startswith(("metrics", "api/docs", "api/redoc")):
            continue
        for address in addresses(route, ids):
            for query in questions(route, searching=searching):
                answer = answers[f"GET {address}{query}"] = ask(client, "GET", f"{address}{query}")
                if query == "" and answer[0] in {401, 403, 404}:
                    break
    return answers


def written(client: APIClient, ids: Ids, bodies: dict[str, Any]) -> dict[str, Answer]:
    """Every write of something by its id."""
    return {
        f"{method} {address}": ask(client, method, address, bodies.get(f"{method} {route.path}"))
        for route in routes()
        if "<" in route.path and "<slug" not in route.path
        for method in METHODS[1:]
        if method in route.methods
        for address in addresses(route, ids)
    }


@pytest.mark.parametrize("who", [None, "max", "ana"])
def test_hidden_rows_change_no_response(world, who):
    client = client_of(who and world.people[who])
    bodies = world.bodies()
    sequence_changes()  # else each rolled-back request begins a log with a random name
    with transaction.atomic():
        ids = hide(world)
        there = swept(client, ids, searching=True) | written(client, ids, bodies)
        transaction.set_rollback(True)

    not_there = swept(client, ids, searching=True) | written(client, ids, bodies)

    assert len(there) > 200
    assert there.keys() == not_there.keys()
    assert [
        request_line for request_line in there if there[request_line] != not_there[request_line]
    ] == []
    assert [request_line for request_line, (status, _, _) in there.items() if status >= 500] == []


@pytest.mark.parametrize("who", [None, "max"])
def test_strangers_read_nothing_of_people(world, who):
    olga, ana, sam = (world.people[name] for name in ("olga", "ana", "sam"))
    guest = world.registrations["guest's"]
    secrets = [
        *(person.email for person in (olga, ana, sam)),
        guest.email, guest.name, guest.ticket_code, str(guest.pk),
        world.registrations["ana's"].ticket_code,
        world.events["published"].meeting_url,
    ]  # fmt: skip
    responses = swept(client_of(who and world.people[who]), visible_ids(world))

    for request_line, (_, headers, content) in responses.items():
        text = content.decode(errors="replace") + str(headers)
        assert [secret for secret in secrets if secret in text] == [], request_line


@pytest.mark.parametrize("who", ["olga", "ana", "sam"])
def test_responses_with_personal_data_are_not_cached(world, who):
    registration = world.registrations["ana's"]
    people = [registration.email, registration.ticket_code, world.people["olga"].email]
    responses = swept(client_of(world.people[who]), visible_ids(world))

    caching_by_request = {
        request_line: headers.get("Cache-Control")
        for request_line, (_, headers, content) in responses.items()
        if any(secret in content.decode(errors="replace") for secret in people)
    }
    assert len(caching_by_request) > 3
    assert {
        request_line: caching
        for request_line, caching in caching_by_request.items()
        if caching != "no-store"
    } == {}
