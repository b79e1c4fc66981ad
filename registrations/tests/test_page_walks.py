"""Walks through pages while rows are inserted, deleted and moved.

Each unchanged row occurs once and in order, in either direction and after any change of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.models import Event
from events.tests.factories import EventFactory
from registrations.models import Registration

pytestmark = pytest.mark.django_db

# Few values, so that most rows tie with others.
MOMENTS = [datetime(2099, 1, 1, tzinfo=UTC) + timedelta(days=n, microseconds=n) for n in range(3)]
NAMES = ["fair", "Fair", "Fair fair", "Éclair", "fair of ours"]
KEYS = st.tuples(st.sampled_from(MOMENTS), st.sampled_from(MOMENTS), st.sampled_from(NAMES))
SIDES = ["next", "previous"]


@dataclass(frozen=True)
class Listed:
    """A list to walk through, and how rows of it come, move and go; a row has three keys."""

    path: str
    orderings: tuple[str, ...]
    add: Callable[[tuple], Any]
    move: Callable[[Any, tuple], Any]
    drop: Callable[[Any], Any]


def events_of(olga) -> Listed:
    def values(keys: tuple) -> dict:
        start, created, name = keys
        return {"start_time": start, "end_time": start + timedelta(hours=1), "created_at": created,
                "name": name}  # fmt: skip

    return Listed(
        "/api/events/?search=fair",
        ("start_time", "created_at", "name", "-start_time", "-created_at", "-name", "relevance"),
        add=lambda keys: EventFactory(organizer=olga, **values(keys)),
        move=lambda event, keys: Event.objects.filter(pk=event.pk).update(**values(keys)),
        drop=lambda event: Event.objects.filter(pk=event.pk).update(status="draft"),
    )


def attendees_of(olga) -> Listed:
    event = EventFactory(organizer=olga)
    numbers = count(1)

    def values(keys: tuple) -> dict:
        registered, _, name = keys
        return {"registered_at": registered, "confirmed_at": registered, "name": name}

    return Listed(
        f"/api/events/{event.pk}/attendees/?status=confirmed",
        ("registered_at", "name", "email", "-registered_at", "-name", "-email"),
        add=lambda keys: Registration.objects.create(
            id=uuid5(NAMESPACE_OID, str(number := next(numbers))),
            event=event,
            status="confirmed",
            email=f"{number}@example.com",
            **values(keys),
        ),
        move=lambda row, keys: Registration.objects.filter(pk=row.pk).update(**values(keys)),
        drop=lambda row: Registration.objects.filter(pk=row.pk).delete(),
    )


def registrations_of(olga) -> Listed:
    numbers = count(1)

    def event(keys: tuple) -> Event:
        start, created, name = keys
        return EventFactory(organizer=olga, start_time=start, created_at=created, name=name)

    return Listed(
        "/api/me/registrations/?when=all",
        ("start_time", "created_at", "name", "registered_at", "-start_time", "-created_at", "-name",
         "-registered_at"),
        add=lambda keys: Registration.objects.create(
            id=uuid5(NAMESPACE_OID, str(next(numbers))),
            event=event(keys), user=olga, name="Olga", email="olga@example.com",
            status="confirmed", registered_at=keys[1], confirmed_at=keys[1],
        ),
        move=lambda row, keys: Registration.objects.filter(pk=row.pk).update(
            event=event(keys), registered_at=keys[0]
        ),
        drop=lambda row: Registration.objects.filter(pk=row.pk).delete(),
    )  # fmt: skip


class Walk:
    """A walk over pages. No step changes the rows `stable`.

    The current page has those from `first` to `after`.
    """

    def __init__(self, client, url: str, stable: list) -> None:
        self.client, self.stable = client, stable
        self.first = self.after = 0
        self.go(url, "next")

    def go(self, url: str, side: str) -> None:
        response = self.client.get(url)
        assert response.status_code == 200, response.content
        self.page = response.json()
        ids = [row["id"] for row in self.page["results"]]
        unchanged = [key for key in ids if key in self.stable]
        assert len(ids) == len(set(ids))
        if side == "next":
            self.first, self.after = self.after, self.after + len(unchanged)
        else:
            self.first, self.after = self.first - len(unchanged), self.first
        assert self.first >= 0
        assert unchanged == self.stable[self.first : self.after]

    def step(self, side: str) -> bool:
        """Goes to the page `side`; returns False if there is none. Then no stable row is there."""
        url = self.page[side]
        if url is None:
            left = self.stable[self.after :] if side == "next" else self.stable[: self.first]
            assert left == []
            return False
        self.go(url, side)
        return True


@pytest.mark.parametrize("listed", [events_of, attendees_of, registrations_of])
@given(data=st.data())
@settings(
    max_examples=40,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_pages_have_each_unchanged_row_once(olga, signed_in, listed, data):
    with transaction.atomic():
        walk_about(signed_in(olga), listed(olga), data.draw)
        transaction.set_rollback(True)


def walk_about(client, listed: Listed, draw: Callable) -> None:
    rows = [listed.add(keys) for keys in draw(st.lists(KEYS, min_size=1, max_size=12))]
    changing = [row for row in rows if draw(st.integers(0, 3)) == 0]
    url = f"{listed.path}&ordering={draw(st.sampled_from(listed.orderings))}"
    listed_ids = [row["id"] for row in client.get(f"{url}&page_size=100").json()["results"]]
    changing_ids = {str(row.pk) for row in changing}
    stable = [key for key in listed_ids if str(key) not in changing_ids]

    walk = Walk(client, f"{url}&page_size={draw(st.integers(1, 4))}", stable)
    for side in draw(st.lists(st.sampled_from(SIDES), max_size=8)):
        change_rows(listed, changing, draw)
        walk.step(side)
    for side in SIDES:  # to the one end and back to the other
        while walk.page["results"] and walk.step(side):
            change_rows(listed, changing, draw)


def change_rows(listed: Listed, changing: list, draw: Callable) -> None:
    change = draw(st.sampled_from(["nothing", "add", "move", "drop"]))
    if change == "add":
        listed.add(draw(KEYS))
    elif change != "nothing" and changing:
        row = draw(st.sampled_from(changing))
        if change == "move":
            listed.move(row, draw(KEYS))
        else:
            changing.remove(row)
            listed.drop(row)
