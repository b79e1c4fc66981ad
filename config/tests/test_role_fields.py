"""What each role on an event sees of its people: addresses, answers, tickets and links."""

import pytest
from rest_framework.test import APIClient

from accounts.tests.factories import UserFactory
from events.models import Role, Series
from events.tests.factories import SeriesFactory, with_role
from registrations.changes.feed import Position
from registrations.models import Registration
from registrations.services.forms import put_form
from registrations.tests.factories import registered
from registrations.tests.test_answers import NOTE

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

ADDRESS, ANSWER, LINK = "zoe.person@example.com", "No nuts, please", "https://meet.example.com/zoe"

# What the response to each request has, by role: a (address), q (answers to questions), t (code of
# the ticket), l (link to join), or none of these (.). A number is a refusal.
FIELDS = """
                                    owner manager editor registrar door stranger
GET  /api/events/{event}/            l     l       l      l         .    .
GET  /api/events/                    l     l       l      l         .    .
GET  /api/me/events/                 l     l       l      l         .    .
GET  /api/series/{series}/           l     l       l      l         .    .
GET  /api/events/{event}/attendees/  aqtl  aqtl    403    aqtl      .    403
GET  /api/events/{event}/attendees/?search={address}
                                     aqtl  aqtl    403    aqtl      .    403
GET  /api/events/{event}/attendees/export/
                                     aqt   aqt     403    aqt       403  403
GET  /api/events/{event}/door-list/  .     .       403    .         .    403
POST /api/events/{event}/check-in/   aqtl  aqtl    403    aqtl      .    403
GET  /api/events/{event}/ledger/     .     .       403    .         403  403
GET  /api/registrations/{person}/    aqtl  aqtl    404    aqtl      404  404
GET  /api/changes/?cursor={start}    aqtl  aqtl    l      aqtl      .    .
GET  {calendar}                      l     l       l      l         .    .
"""


def table() -> dict[str, dict[str, str]]:
    """What each role sees, by the request."""
    head, *lines = FIELDS.strip().splitlines()
    rows, request = {}, ""
    for line in lines:
        words = line.split()
        if words[0] in {"GET", "POST"}:
            request, words = " ".join(words[:2]), words[2:]
        if words:
            rows[request] = dict(zip(head.split(), words, strict=True))
    return rows


@pytest.fixture
def series(olga) -> Series:
    return SeriesFactory(organizer=olga, meeting_url=LINK)


@pytest.fixture
def person(series) -> Registration:
    event = put_form(series.events.first(), [NOTE])
    return registered(event, name="Zoe", email=ADDRESS, answers={"note": ANSWER})


def seen(client: APIClient, request: str, person: Registration) -> str:
    """What the response to a request has, in the letters of the table."""
    method, path = request.split()
    body = {"ticket_code": person.ticket_code} if method == "POST" else None
    response = getattr(client, method.lower())(path, body)
    if response.status_code != 200:
        return str(response.status_code)
    content = response.getvalue().decode().replace("\r\n ", "")  # lines of calendars are folded
    secrets = {"a": ADDRESS, "q": ANSWER, "t": person.ticket_code, "l": LINK}
    return "".join(letter for letter, text in secrets.items() if text in content) or "."


@pytest.mark.parametrize("role", [*Role.values, "stranger"])
def test_a_role_sees_the_fields_that_the_table_says(olga, series, person, signed_in, role):
    user = olga if role == "owner" else UserFactory(username="rolf", email="rolf@example.com")
    if role not in {"owner", "stranger"}:
        with_role(user, role, series)
    client = signed_in(user)
    values = {
        "event": person.event_id,
        "series": series.pk,
        "person": person.pk,
        "address": ADDRESS,
        "start": Position(0).encode(user.pk),
        "calendar": client.get("/api/me/").json()["calendar_url"],
    }

    found = {request: seen(client, request.format(**values), person) for request in table()}

    assert found == {request: roles[role] for request, roles in table().items()}
