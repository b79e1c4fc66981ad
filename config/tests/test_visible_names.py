"""Names of invisible characters alone are blank, wherever a name is required."""

import io
import re

import pytest
from django.urls import reverse

from accounts.models import User
from accounts.tests.factories import grant
from config.api.fields import LineField
from config.api.text.visible_characters import is_visible
from events.tests.factories import CategoryFactory, SeriesFactory
from registrations.tests.factories import registered

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

INVISIBLE = {
    "zero width space": "\u200b",
    "joiners": "\u200d\u200c",
    "word joiner": "\u2060",
    "byte order mark": "\ufeff",
    "soft hyphen": "\xad",
    "Hangul filler": "\u3164",
    "Hangul initial filler": "\u115f",
    "Hangul medial filler": "\u1160",
    "half-width Hangul filler": "\uffa0",
    "blank of Braille": "\u2800",
    "tags": "\U000e0067\U000e007f",
    "variation selectors": "\ufe0f\U000e0100",
    "Mongolian vowel separator": "\u180e",
    "Khmer inherent vowel": "\u17b4",
    "combining grapheme joiner": "\u034f",
    "Arabic letter mark": "\u061c",
    "direction": "\u202e\u2066",
    "spaces around": " \u200b \u3000",
}
VISIBLE = [
    "a",
    "\u200bZoë",
    "☕",
    "👩\u200d💻",
    "é",
    "東",
    "0",
    "-",
    "क्\u200dष",
    "\U0001f3f4\U000e0067",
]

names = pytest.mark.parametrize("name", INVISIBLE.values(), ids=INVISIBLE)


def errors_of(response) -> dict[str, str]:
    assert response.status_code == 400, response.content
    return {error["field"]: error["code"] for error in response.json()["errors"]}


@names
def test_names_without_a_visible_character_are_blank(name, olga, sam, event, signed_in, anyone):
    client = signed_in(olga)
    plan = {"name": name, "location": "Rom", "start_time": "2027-03-15T09:00:00Z"}
    guest = {"name": name, "email": "bob@example.com"}
    account = {"email": "eva@example.com", "password": "ten green bottles", "username": name}
    series = SeriesFactory(organizer=olga)
    category = CategoryFactory()
    staff = signed_in(grant(sam, "events.add_category", "events.change_category"))

    responses = [
        client.post("/api/events/", plan, format="json"),
        client.patch(f"/api/events/{event.pk}/", {"name": name}, format="json"),
        client.post("/api/series/", {**plan, "recurrence": "FREQ=DAILY;COUNT=2"}, format="json"),
        client.patch(f"/api/series/{series.pk}/", {"name": name}, format="json"),
        anyone.post(f"/api/events/{event.pk}/register/", guest, format="json"),
        client.patch(f"/api/registrations/{registered(event).pk}/", {"name": name}, format="json"),
        staff.post("/api/categories/", {"name": name, "slug": "new"}, format="json"),
        staff.patch(f"/api/categories/{category.slug}/", {"name": name}, format="json"),
    ]
    sign_up = anyone.post("/api/register/", account, format="json")
    renamed = client.patch("/api/me/", {"username": name}, format="json")

    assert [errors_of(response) for response in responses] == [{"name": "blank"}] * len(responses)
    assert errors_of(sign_up) == errors_of(renamed) == {"username": "blank"}


def test_imported_names_without_a_visible_character_are_blank(olga, event, signed_in):
    client = signed_in(olga)
    file = io.BytesIO("name,email\n\u3164\u200b,bob@example.com\n".encode())
    file.name = "people.csv"

    response = client.post(
        reverse("attendee-import", args=[event.pk]), {"file": file}, format="multipart"
    )

    assert "blank" in {error["code"] for error in response.json()["errors"]}


@pytest.mark.parametrize("name", VISIBLE)
def test_one_visible_character_is_a_name(name, olga, signed_in):
    plan = {"name": name, "location": "Rom", "start_time": "2027-03-15T09:00:00Z"}

    response = signed_in(olga).post("/api/events/", plan, format="json")

    assert (response.status_code, response.json()["name"]) == (201, name)


@pytest.mark.parametrize("name", [*INVISIBLE.values(), *VISIBLE])
def test_the_document_says_which_names_are_blank(name):
    pattern = LineField(max_length=200).schema_extra["pattern"]
    beyond_bmp = any(ord(character) > 0xFFFF for character in name)

    # JavaScript reads no ranges beyond the Basic Multilingual Plane in every pattern.
    assert bool(re.search(pattern, name)) is (is_visible(name) or beyond_bmp)


def test_a_username_made_from_an_address_is_visible(db):
    user = User.objects.create_user("\u3164@example.com", username="")

    assert user.username == "user"


@pytest.mark.parametrize(
    ("model", "field", "fields"),
    [
        ("accounts_user", "username", {"email": "eva@example.com"}),
        ("events_category", "name", {"slug": "new"}),
    ],
)
def test_the_admin_accepts_no_invisible_name(client, sam, model, field, fields):
    sam.is_superuser = True
    sam.save(update_fields=["is_superuser"])
    client.force_login(sam)

    response = client.post(reverse(f"admin:{model}_add"), {**fields, field: "\u3164"})

    form = response.context["adminform"].form
    assert form.errors[field] == ["Use at least one visible character."]


def test_the_admin_accepts_no_invisible_name_of_an_event(client, sam, event):
    sam.is_superuser = True
    sam.save(update_fields=["is_superuser"])
    client.force_login(sam)
    path = reverse("admin:events_event_change", args=[event.pk])
    form = client.get(path).context["adminform"].form
    sent = {name: form[name].value() for name in form.fields}
    sent = {name: value for name, value in sent.items() if value is not None}

    response = client.post(path, {**sent, "name": "\u3164"})

    errors = response.context["adminform"].form.errors
    assert errors == {"name": ["This field may not be blank."]}
