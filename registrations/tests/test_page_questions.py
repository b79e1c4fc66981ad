"""Questions and parties on the page of an event: the form without JavaScript."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client
from rest_framework.test import APIClient

from events.tests.factories import EventFactory
from registrations.models import Registration

from .test_event_page import text_of

pytestmark = pytest.mark.django_db

BOB = {"name": "Bob", "email": "bob@example.com"}
DINNER = {"key": "dinner", "label": "Dinner", "type": "boolean", "required": True}
DIET = {
    "key": "diet",
    "label": "Food",
    "type": "choice",
    "required": True,
    "options": [{"value": "vegan", "label": "Vegan", "limit": 1}, {"value": "any", "label": "Any"}],
    "show_if": {"key": "dinner", "any_of": [True]},
}
ALL_TYPES = [
    {"key": "text", "label": "Text", "type": "text", "help": "A <b>line</b>"},
    {"key": "paragraph", "label": "Paragraph", "type": "paragraph"},
    {"key": "number", "label": "Number", "type": "number", "min": 1, "max": 9.5},
    {"key": "yes", "label": "Yes", "type": "boolean"},
    {"key": "consent", "label": "I agree", "type": "consent", "required": True},
    {"key": "one", "label": "One", "type": "choice", "options": [{"value": "a", "label": "A"}]},
    {"key": "some", "label": "Some", "type": "choices",
     "options": [{"value": "a", "label": "A"}, {"value": "b", "label": "B"}]},
    {"key": "day", "label": "Day", "type": "date"},
    {"key": "mail", "label": "Mail", "type": "email"},
    {"key": "phone", "label": "Phone", "type": "phone"},
    {"key": "web", "label": "Web", "type": "url"},
    {"key": "country", "label": "Country", "type": "country"},
]  # fmt: skip


@pytest.fixture
def browser() -> Client:
    return Client(enforce_csrf_checks=True)


@pytest.fixture
def jazz(clock, olga):
    return EventFactory(organizer=olga, name="Jazz", max_capacity=20, max_party_size=4)


def asked(event, *questions: dict) -> None:
    client = APIClient()
    client.force_authenticate(event.organizer)
    response = client.put(
        f"/api/events/{event.pk}/form/", {"questions": list(questions)}, format="json"
    )
    assert response.status_code == 200, response.json()


def path_of(event) -> str:
    return f"/e/{event.pk}-jazz"


def hidden_fields(response) -> dict[str, str]:
    pairs = re.findall(
        r'<input type="hidden" name="([^"]*)" value="([^"]*)"', response.content.decode()
    )
    return {name: unescape(value) for name, value in pairs}


def submitted(clock, browser: Client, event, **values):
    form = hidden_fields(browser.get(path_of(event)))
    clock.shift(timedelta(seconds=10))
    return browser.post(path_of(event), {**form, **BOB, **values})


def test_every_type_of_question_is_asked_and_answered(clock, browser, jazz):
    asked(jazz, *ALL_TYPES)
    answers = {
        "text": "a line",
        "paragraph": "two\nlines",
        "number": "2.5",
        "yes": "false",
        "consent": "true",
        "one": "a",
        "some": ["a", "b"],
        "day": "2027-03-01",
        "mail": "ann@example.com",
        "phone": "+49 30 123456",
        "web": "https://example.org/x",
        "country": "de",
    }

    page = browser.get(path_of(jazz)).content.decode()
    optional = re.findall(r"(\w+) <span[^>]*>\(optional\)", page)
    response = submitted(
        clock, browser, jazz, **{f"answers.{key}": value for key, value in answers.items()}
    )

    assert optional == [one["label"] for one in ALL_TYPES if one["key"] != "consent"]
    assert response.status_code == 302, text_of(response)
    stored = Registration.objects.get().answers
    assert stored.pop("consent")["agreed"] is True
    assert stored == {
        **{name: answers[name] for name in answers if name != "consent"},
        "number": 2.5,
        "yes": False,
        "country": "DE",
    }
    for name in answers:
        assert f'name="answers.{name}"' in page, name
    assert "A &lt;b&gt;line&lt;/b&gt;" in page
    assert len(page) < 30_000


def test_an_optional_choice_can_be_taken_back_before_it_is_sent(clock, browser, jazz):
    optional = {**ALL_TYPES[5], "key": "drink"}
    asked(jazz, optional, {**optional, "key": "room", "required": True})

    page = browser.get(path_of(jazz)).content.decode()
    chosen = re.findall(r'name="answers.(\w+)" value="(\w*)" checked', page)
    response = submitted(clock, browser, jazz, **{"answers.drink": "", "answers.room": "a"})

    assert chosen == [("drink", "")]
    assert response.status_code == 302, text_of(response)
    assert Registration.objects.get().answers == {"room": "a"}


def test_answers_with_errors_keep_what_was_sent(clock, browser, jazz):
    asked(jazz, *ALL_TYPES)
    values = {
        "text": "x" * 501, "number": "ten", "one": "z", "some": ["b"], "day": "tomorrow",
        "mail": "ann@", "paragraph": "<i>", "country": "DE",
    }  # fmt: skip

    response = submitted(
        clock, browser, jazz, **{f"answers.{key}": value for key, value in values.items()}
    )

    page, text = response.content.decode(), text_of(response)
    assert response.status_code == 400
    assert "Number: Enter a number." in text
    assert "I agree: Agree to go on." in text
    for name in ("text", "number", "one", "day", "mail", "consent"):
        assert f'<a href="#answers.{name}">' in page, name
        assert re.search(rf'id="answers\.{name}"', page), name
    assert 'value="ten"' in page
    assert "&lt;i&gt;</textarea>" in page
    assert 'name="answers.some" value="b" checked' in page
    assert '<option value="DE" selected>DE</option>' in page
    assert not Registration.objects.exists()


def test_a_question_that_is_not_asked_needs_no_answer(clock, browser, jazz):
    asked(jazz, DINNER, DIET)

    page = browser.get(path_of(jazz)).content.decode()
    without = submitted(clock, browser, jazz, **{"answers.dinner": "false", "answers.diet": "any"})
    missing = submitted(
        clock, browser, jazz, **{"answers.dinner": "true", "email": "eve@example.com"}
    )

    assert "Only if “Dinner” is: yes" in page
    assert 'data-depends-on="answers.dinner" data-shown-for="[&quot;true&quot;]"' in page
    assert without.status_code == 302
    assert Registration.objects.get().answers == {"dinner": False}
    assert missing.status_code == 400
    assert "Food: This question needs an answer." in text_of(missing)


def test_a_full_option_is_shown_and_refused(clock, browser, jazz):
    asked(jazz, DINNER, DIET)
    vegan = {"answers.dinner": "true", "answers.diet": "vegan"}
    form = hidden_fields(browser.get(path_of(jazz)))

    first = submitted(clock, browser, jazz, **vegan)
    page = browser.get(path_of(jazz)).content.decode()
    late = browser.post(path_of(jazz), {**form, **BOB, "email": "eve@example.com", **vegan})

    assert first.status_code == 302
    assert 'value="vegan" disabled>Vegan (0 left)' in page
    assert late.status_code == 409
    page = late.content.decode()
    assert 'value="eve@example.com"' in page
    assert "Food: “Vegan” is full. Choose something else." in text_of(late)
    assert 'value="vegan" disabled' in page


def test_a_form_that_changed_meanwhile_is_shown_anew(clock, browser, jazz):
    asked(jazz, DINNER)
    form = hidden_fields(browser.get(path_of(jazz)))
    asked(jazz, DINNER, {"key": "song", "label": "Song", "type": "text"})
    clock.shift(timedelta(seconds=10))

    response = browser.post(path_of(jazz), {**form, **BOB, "answers.dinner": "true"})

    page = response.content.decode()
    assert response.status_code == 409
    assert 'name="answers.song"' in page
    assert 'name="answers.dinner" value="true" checked' in page
    again = browser.post(
        path_of(jazz), {**hidden_fields(response), **BOB, "answers.dinner": "true"}
    )
    assert again.status_code == 302


def test_a_party_registers_with_named_guests_and_their_answers(clock, browser, jazz):
    asked(jazz, {"key": "size", "label": "Shirt", "type": "text", "ask": "each_person"})

    response = submitted(
        clock, browser, jazz, party_size="4",
        **{"answers.size": "L", "guests.0.name": " ", "guests.1.name": "Ann",
           "guests.1.answers.size": "M", "guests.2.answers.size": "S"},
    )  # fmt: skip

    [registration] = Registration.objects.all()
    assert response.status_code == 302
    assert (registration.party_size, registration.answers) == (4, {"size": "L"})
    assert [(each["name"], each["answers"]) for each in registration.guests] == [
        ("Ann", {"size": "M"}),
        (None, {"size": "S"}),
    ]


def test_a_missing_answer_names_the_person(clock, browser, jazz):
    asked(jazz, {"key": "size", "label": "Shirt", "type": "text", "required": True,
                 "ask": "each_person"})  # fmt: skip

    response = submitted(
        clock, browser, jazz, party_size="3", **{"guests.0.name": "Ann", "guests.1.name": "Cem"}
    )

    assert (
        "Shirt: This question needs an answer. Guest 1, Shirt: This question needs an answer. "
        "Guest 2, Shirt: This question needs an answer."
    ) in text_of(response)


@pytest.mark.parametrize(
    ("size", "sentence"),
    [
        ("0", "Enter 1 or more."),
        ("5", "at most 4"),
        ("x", "Enter a whole number."),
        ("99999999999", "Enter"),
        ("1.5", "Enter a whole number."),
        ("-1", "Enter"),
    ],
)
def test_a_party_of_a_wrong_size_is_refused(clock, browser, jazz, size, sentence):
    response = submitted(clock, browser, jazz, **{"party_size": size, "guests.2.name": "Ann"})

    page = response.content.decode()
    assert response.status_code == 400
    assert '<a href="#party_size">' in page
    assert sentence in text_of(response)
    assert f'name="party_size" value="{size}"' in page
    assert 'name="guests.0.name" value="Ann"' in page
    assert not Registration.objects.exists()


def test_more_guests_than_the_party_are_refused(clock, browser, jazz):
    response = submitted(clock, browser, jazz, **{"party_size": "1", "guests.0.name": "Ann"})

    assert response.status_code == 400
    assert '<a href="#guests">' in response.content.decode()


def test_a_party_becomes_smaller_on_its_page(clock, browser, jazz):
    location = submitted(clock, browser, jazz, party_size="3")["Location"]
    path, token = location.partition("?")[0], hidden_fields(browser.get(location))["token"]

    smaller = browser.post(path, {"token": token, "party_size": "2"}, follow=True)

    assert "The size of your party is changed." in text_of(smaller)
    assert Registration.objects.get().party_size == 2
    for size in ("0", "x", "", "51", "99999999999"):
        assert browser.post(path, {"token": token, "party_size": size}).status_code == 400, size
    assert browser.post(path, {"token": token, "party_size": "30"}).status_code in {400, 409}


@pytest.mark.parametrize(
    "name",
    [
        "answers.",
        "answers.x.y",
        "guests.",
        "guests.0",
        "guests.0.",
        "guests.99.name",
        "guests.0.answers",
        "guests.0.answers.size",
        "guests.0.x",
        "guests.-1.name",
    ],
)
@pytest.mark.parametrize("value", ["x", "\ud800", "\x00", "x" * 9_000])  # fmt: skip
def test_no_name_of_a_field_is_a_server_error(clock, browser, jazz, name, value):
    asked(jazz, {"key": "size", "label": "Shirt", "type": "text", "ask": "each_person"})

    response = submitted(
        clock, browser, jazz,
        **{"party_size": "2", name: value.encode("utf-8", "surrogatepass")},
    )  # fmt: skip

    assert response.status_code in {302, 400}


def test_an_event_with_a_code_asks_for_it(clock, browser, olga):
    event = EventFactory(organizer=olga, name="Jazz", registration_mode="code")

    page = browser.get(path_of(event)).content.decode()
    without = submitted(clock, browser, event)
    wrong = submitted(clock, browser, event, code="guess")

    assert 'id="code" name="code"' in page
    assert (without.status_code, wrong.status_code) == (403, 403)
    assert 'name="code" value="guess"' in wrong.content.decode()
    assert "Enter the code of your invitation." in text_of(without)
    for page in (without, wrong):
        assert '<a href="#code">' in page.content.decode()


def test_an_organizer_who_decides_is_announced(clock, browser, olga):
    event = EventFactory(organizer=olga, name="Jazz", registration_mode="approval")

    page = text_of(browser.get(path_of(event)))
    response = submitted(clock, browser, event)

    assert "The organizer decides who gets in." in page
    assert "done=pending" in response["Location"]
    assert "You have no seat yet" in text_of(browser.get(response["Location"]))


def test_an_address_to_confirm_has_no_seat_yet(clock, browser, olga):
    event = EventFactory(organizer=olga, name="Jazz", registration_mode="confirm_address")

    response = submitted(clock, browser, event)

    page = browser.get(response["Location"])
    assert "One step is left." in text_of(page)
    assert 'name="email"' not in page.content.decode()
    assert not Registration.objects.exists()
