"""Coordinates of events, and `near` against the haversine formula for every event."""

import math
import random

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from events.models import Event
from events.search import page_planner
from events.tests.factories import EventFactory
from events.tests.test_lists import names, walk

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

EDGES = [
    (90, 0), (90, 77), (89.9999, -120), (-90, 0), (-89.99, 45), (0, 180), (0, -180),
    (10, 179.99), (10, -179.99), (0, 0), (52.52, 13.405), (52.52, 13.4051), (-0.0, -0.0),
]  # fmt: skip


def haversine(one: tuple[float, float], other: tuple[float, float]) -> float:
    (lat1, lon1), (lat2, lon2) = (map(math.radians, coordinates) for coordinates in (one, other))
    half = (
        math.sin((lat2 - lat1) / 2) ** 2
        + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    )
    return 2 * 6371.0088 * math.asin(math.sqrt(min(1, half)))


@pytest.fixture
def world(olga) -> dict[int, tuple[float, float]]:
    dice = random.Random(5)
    anywhere = [(dice.uniform(-90, 90), dice.uniform(-180, 180)) for _ in range(60)]
    close = [(52 + dice.uniform(0, 1), 13 + dice.uniform(0, 1)) for _ in range(20)]
    points = [*EDGES, *anywhere, *close]
    events = [
        EventFactory.build(organizer=olga, latitude=latitude, longitude=longitude)
        for latitude, longitude in points
    ]
    Event.objects.bulk_create([*events, EventFactory.build(organizer=olga, name="Nowhere")])
    return {event.pk: (event.latitude, event.longitude) for event in events}


degrees = st.floats(-90, 90).map(lambda number: round(number, 6))


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(latitude=degrees, half_longitude=degrees, radius=st.integers(1, 10000).map(lambda n: n / 10))
@example(latitude=90, half_longitude=5, radius=1000)
@example(latitude=-89.99, half_longitude=90, radius=300)
@example(latitude=0, half_longitude=90, radius=50)
@example(latitude=10, half_longitude=-89.999, radius=1000)
@example(latitude=52.52, half_longitude=6.7025, radius=0.1)
def test_near_agrees_with_the_haversine_formula(anyone, world, latitude, half_longitude, radius):
    here = (latitude, half_longitude * 2)
    path = f"/api/events/?near={here[0]:.6f},{here[1]:.6f}&radius={radius}&ordering=distance"

    rows = walk(anyone, f"{path}&page_size=7")

    far = {pk: haversine(here, coordinates) for pk, coordinates in world.items()}
    margin = 1e-6
    ids = {row["id"] for row in rows}
    assert {pk for pk, km in far.items() if km < radius - margin} <= ids
    assert ids <= {pk for pk, km in far.items() if km < radius + margin}
    assert len(ids) == len(rows)
    for row in rows:
        assert row["distance_km"] == pytest.approx(far[row["id"]], abs=0.001)
    assert [row["distance_km"] for row in rows] == sorted(row["distance_km"] for row in rows)
    by_time = anyone.get(path.replace("distance", "start_time") + "&page_size=100&count=true")
    assert {row["id"] for row in by_time.json()["results"]} == ids
    assert by_time.json()["count"] == len(ids)


def test_pages_by_distance_lead_in_both_directions(anyone, olga, monkeypatch):
    monkeypatch.setattr(page_planner, "MAX_WALKED", 5)
    monkeypatch.setattr(page_planner, "MAX_WALKED_FAR", 20)
    for number in range(20):  # in fours at one place
        EventFactory(organizer=olga, latitude=50 + number // 4 / 100, longitude=10)
    path = "/api/events/?near=50,10&ordering=distance"
    expected = [row["id"] for row in anyone.get(path).json()["results"]]

    pages, link = [], f"{path}&page_size=3"
    while link:
        pages.append(anyone.get(link).json())
        link = pages[-1]["next"]

    assert [row["id"] for page in pages for row in page["results"]] == expected
    assert len(expected) == 20
    back = pages[-1]
    for page in reversed(pages[:-1]):
        back = anyone.get(back["previous"]).json()
        assert back["results"] == page["results"]


def test_near_combines_with_the_other_filters(anyone, olga):
    here = {"organizer": olga, "latitude": 52.5, "longitude": 13.4}
    EventFactory(name="Jazz", **here)
    EventFactory(name="Polka", **here)
    EventFactory(name="Jazz draft", status="draft", **here)
    EventFactory(name="Jazz afar", organizer=olga, latitude=48.1, longitude=11.6)

    assert names(anyone, "?near=52.5,13.4&search=jazz") == ["Jazz"]
    assert names(anyone, "?near=52.5,13.4&search=jazz&ordering=distance&radius=600") == [
        "Jazz",
        "Jazz afar",
    ]
    assert names(anyone, "?near=52.5,+13.4&name=pol") == ["Polka"]


def test_an_index_answers_near(world):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        cursor.execute(
            "EXPLAIN SELECT id FROM events_event WHERE deleted_at IS NULL AND status = 'published'"
            " AND latitude IS NOT NULL"
            " AND earth_point(latitude, longitude) <@ cube_enlarge(earth_point(52, 13), 25, 3)"
            " ORDER BY earth_point(latitude, longitude) <-> earth_point(52, 13) LIMIT 20"
        )
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "public_by_place" in plan
    assert "Order By" in plan


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("near=", "near", "invalid"),
        ("near=52.5", "near", "invalid"),
        ("near=52.5,13.4,9", "near", "invalid"),
        ("near=90.1,0", "near", "invalid"),
        ("near=0,180.5", "near", "invalid"),
        ("near=nan,0", "near", "invalid"),
        ("near=1e1,0", "near", "invalid"),
        ("near=52;13", "near", "invalid"),
        ("near=0,0&radius=0", "radius", "min_value"),
        ("near=0,0&radius=1000.1", "radius", "max_value"),
        ("near=0,0&radius=nan", "radius", "invalid"),
        ("near=0,0&radius=1e2", "radius", "invalid"),
        ("near=0,0&radius=", "radius", "invalid"),
        ("radius=5", "near", "required"),
        ("ordering=distance", "near", "required"),
    ],
)
def test_invalid_parameters_are_refused_by_name(anyone, event, query, field, code):
    for path in ("/api/events/", "/api/events/calendar.ics"):
        response = anyone.get(f"{path}?{query}")

        assert response.status_code == 400, response.content
        error = response.json()["errors"][0]
        assert (error["field"], error["code"]) == (field, code)


# --- the fields ---


@pytest.fixture
def client(olga, signed_in):
    return signed_in(olga)


TALK = {"name": "Talk", "location": "Hall", "start_time": "2027-05-25T14:00:00Z"}


def test_coordinates_are_set_and_removed(client, anyone):
    made = client.post("/api/events/", {**TALK, "latitude": -33.9, "longitude": 151}, "json").json()
    assert (made["latitude"], made["longitude"]) == (-33.9, 151.0)
    path = f"/api/events/{made['id']}/"

    client.patch(path, {"name": "Speech"}, "json")
    assert anyone.get(path).json()["latitude"] == -33.9
    assert anyone.get("/api/events/").json()["results"][0]["longitude"] == 151.0
    assert "distance_km" not in anyone.get("/api/events/").json()["results"][0]

    client.patch(path, {"latitude": None, "longitude": None}, "json")
    assert anyone.get(path).json()["latitude"] is None

    client.patch(path, {"latitude": 1, "longitude": 2}, "json")
    client.put(path, TALK, "json")
    assert anyone.get(path).json()["longitude"] is None


@pytest.mark.parametrize(
    ("coordinates", "field", "code"),
    [
        ({"latitude": 5}, "longitude", "required"),
        ({"longitude": 5}, "latitude", "required"),
        ({"latitude": 5, "longitude": None}, "longitude", "required"),
        ({"latitude": 90.1, "longitude": 0}, "latitude", "max_value"),
        ({"latitude": 0, "longitude": -181}, "longitude", "min_value"),
        ({"latitude": "5", "longitude": 5}, "latitude", "invalid"),
        ({"latitude": True, "longitude": 5}, "latitude", "invalid"),
        ({"latitude": [], "longitude": 5}, "latitude", "invalid"),
    ],
)
def test_half_coordinates_and_those_not_on_earth_are_refused(
    client, event, coordinates, field, code
):
    for response in (
        client.post("/api/events/", {**TALK, **coordinates}, "json"),
        client.patch(f"/api/events/{event.pk}/", coordinates, "json"),
    ):
        assert response.status_code == 400
        error = response.json()["errors"][0]
        assert (error["field"], error["code"]) == (field, code)


@pytest.mark.parametrize(
    "coordinates",
    [
        {"latitude": 5}, {"longitude": 5}, {"latitude": 91, "longitude": 0},
        {"latitude": float("nan"), "longitude": 0},
    ],
)  # fmt: skip
def test_the_database_refuses_coordinates_that_are_not_on_earth(event, coordinates):
    with pytest.raises(IntegrityError, match="event_on_earth"), transaction.atomic():
        Event.objects.filter(pk=event.pk).update(**coordinates)


def test_occurrences_have_the_coordinates_of_their_series(client):
    series = {**TALK, "recurrence": "FREQ=WEEKLY;COUNT=2", "latitude": 1.5, "longitude": 2.5}

    made = client.post("/api/series/", series, "json")

    assert made.status_code == 201
    assert made.json()["latitude"] == 1.5
    assert list(Event.objects.values_list("latitude", "longitude")) == [(1.5, 2.5)] * 2
