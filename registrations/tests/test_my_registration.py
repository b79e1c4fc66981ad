"""The page of a registration: the form of its answers and its party, and handing it on."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client

from accounts.models import Notification
from events.models import Event
from events.services import cancel_event
from events.tests.factories import EventFactory
from registrations.models import Registration
from registrations.services import cancel_registration, register_caller, reject
from registrations.tests.factories import registered
from registrations.tickets import manage_link, manage_token

from .test_event_page import text_of
from .test_page_questions import ALL_TYPES, asked

pytestmark = pytest.mark.django_db

BOB = {"name": "Bob", "email": "bob@example.com"}
SHIRT = {"key": "shirt", "label": "Shirt", "type": "text", "required": True, "ask": "each_person"}
FOOD = {
    "key": "food", "label": "Food", "type": "choice",
    "options": [{"value": "vegan", "label": "Vegan", "limit": 1}, {"value": "any", "label": "Any"}],
}  # fmt: skip
DINNER = {"key": "dinner", "label": "Dinner", "type": "boolean"}
WINE = {
    "key": "wine", "label": "Wine", "type": "text", "required": True,
    "show_if": {"key": "dinner", "any_of": [True]},
}  # fmt: skip


@pytest.fixture
def browser() -> Client:
    return Client(enforce_csrf_checks=True, headers={"Origin": "null"})


@pytest.fixture
def jazz(clock, olga):
    return EventFactory(organizer=olga, name="Jazz", max_capacity=9, max_party_size=4)


def path_of(registration) -> str:
    return f"/registrations/{registration.pk}/"


def page_of(browser: Client, registration):
    return browser.get(manage_link(registration.pk))


def form_of(response) -> dict[str, list[str]]:
    """The form of changes, as a browser without JavaScript sends it untouched."""
    page = response.content.decode()
    form = re.search(r'id="change-title".*?<form[^>]*>(.*?)</form>', page, re.DOTALL)[1]
    sent: dict[str, list[str]] = {}

    def add(name: str, value: str) -> None:
        sent.setdefault(unescape(name), []).append(unescape(value))

    for tag in re.findall(r"<input ([^>]*)>", form):
        is_box = re.search(r'type="(radio|checkbox)"', tag)
        if not is_box or (" checked" in tag and " disabled" not in tag):
            add(re.search(r'name="([^"]*)"', tag)[1], re.search(r'value="([^"]*)"', tag)[1])
    for name, text in re.findall(
        r'<textarea [^>]*name="([^"]*)"[^>]*>\n(.*?)</textarea>', form, re.DOTALL
    ):
        add(name, text.replace("\n", "\r\n"))
    lists = re.findall(r'<select [^>]*name="([^"]*)"[^>]*>(.*?)</select>', form, re.DOTALL)
    for name, options in lists:
        chosen = re.search(r'value="([^"]*)" selected', options)
        add(name, chosen[1] if chosen else "")
    return sent


def saved(browser: Client, registration, **values):
    """The response to the form of changes, with other values for some fields."""
    form = {**form_of(page_of(browser, registration)), **values}
    return browser.post(path_of(registration), form, follow=True)


def test_the_form_shows_answers_of_every_type_and_changes_none_by_itself(
    browser, jazz, monkeypatch
):
    asked(jazz, *ALL_TYPES, {**ALL_TYPES[6], "key": "each", "ask": "each_person"})
    answers = {
        "text": "a <line>", "paragraph": "two\nlines", "number": 2.5, "yes": False, "consent": True,
        "one": "a", "some": ["b", "a"], "day": "2027-03-01", "mail": "ann@example.com",
        "phone": "+49 30 123456", "web": "https://example.org/x", "country": "DE",
    }  # fmt: skip
    guests = [{"name": "Ann", "answers": {"each": ["b", "a"]}}]
    registration = registered(jazz, answers=answers, party_size=2, guests=guests)
    stored = Registration.objects.get().answers

    form = form_of(page_of(browser, registration))
    monkeypatch.setattr("registrations.services.edit_registration", None)
    response = saved(browser, registration)

    assert {name: form[f"answers.{name}"] for name in ("text", "number", "yes", "some")} == {
        "text": ["a <line>"], "number": ["2.5"], "yes": ["false"], "some": ["a", "b"],
    }  # fmt: skip
    assert "Everything is as it was." in text_of(response)
    assert Registration.objects.get().answers == stored


def test_answers_are_changed_and_removed(browser, jazz):
    asked(jazz, *ALL_TYPES)
    registration = registered(
        jazz, answers={"text": "old", "yes": True, "consent": True, "one": "a", "some": ["a"]}
    )
    consent = Registration.objects.get().answers["consent"]

    response = saved(
        browser, registration, **{"answers.text": "new", "answers.yes": "", "answers.some": []}
    )

    assert "Your changes are saved." in text_of(response)
    assert Registration.objects.get().answers == {"text": "new", "consent": consent, "one": "a"}


def test_answers_with_errors_are_named_and_kept(browser, jazz):
    asked(jazz, SHIRT, ALL_TYPES[2])
    registration = registered(jazz, answers={"shirt": "L", "number": 3})

    response = saved(browser, registration, **{"answers.shirt": "", "answers.number": "ten"})

    page = response.content.decode()
    assert response.status_code == 400
    assert "Shirt: This question needs an answer. Number: Enter a number." in text_of(response)
    assert '<a href="#answers.number">' in page
    assert 'name="answers.number" value="ten"' in page
    assert Registration.objects.get().answers == {"shirt": "L", "number": 3}


def test_only_what_is_changed_is_checked(browser, jazz):
    """A question that is new, and an option that is gone, block no other change."""
    asked(jazz, FOOD)
    registration = registered(jazz, answers={"food": "vegan"})
    asked(jazz, {**FOOD, "options": FOOD["options"][1:]}, SHIRT)

    response = saved(browser, registration, name="Bob Ray")

    row = Registration.objects.get()
    assert "The name is corrected." in text_of(response)
    assert (row.name, row.answers) == ("Bob Ray", {"food": "vegan"})


def test_an_old_page_takes_nothing_back(browser, olga):
    asked_of = EventFactory(organizer=olga, max_capacity=9, max_party_size=4, attendee_list="names")
    asked(asked_of, DINNER, SHIRT, ALL_TYPES[1])
    guests = [{"name": "Ann", "answers": {"shirt": "S"}}]
    answers = {"dinner": True, "shirt": "L", "paragraph": "two\nlines"}
    registration = registered(asked_of, party_size=2, guests=guests, answers=answers)
    old = form_of(page_of(browser, registration))
    saved(
        browser, registration, party_size="4", show_name="yes",
        **{"answers.dinner": "false", "answers.shirt": "M", "answers.paragraph": "one",
           "guests.1.name": "Cem", "guests.1.answers.shirt": "XL"},
    )  # fmt: skip
    changed = Registration.objects.get()

    renamed = browser.post(path_of(registration), {**old, "name": "Bob Ray"}, follow=True)

    row = Registration.objects.get()
    assert changed.party_size == 4
    assert "The name is corrected." in text_of(renamed)
    assert (row.name, row.party_size, row.guests) == ("Bob Ray", 4, changed.guests)
    assert (row.answers, row.show_name) == (changed.answers, True)


def test_an_old_page_that_changes_the_same_is_refused(browser, jazz):
    asked(jazz, SHIRT)
    registration = registered(jazz, party_size=2, name="Bob", answers={"shirt": "L"})
    old = form_of(page_of(browser, registration))
    saved(browser, registration, party_size="4", **{"guests.0.name": "Ann"})

    mine = {"name": "Bob Ray", "party_size": "3", "guests.0.name": "Eve", "answers.shirt": "M"}
    refused = browser.post(path_of(registration), {**old, **mine})
    again = browser.post(path_of(registration), form_of(refused), follow=True)

    shown, row = form_of(refused), Registration.objects.get()
    assert refused.status_code == 400
    assert "The number of people was changed elsewhere while this page was open." in text_of(
        refused
    )
    assert "The list of guests was changed elsewhere" in text_of(refused)
    assert (shown["name"], shown["party_size"]) == (["Bob Ray"], ["4"])
    assert (shown["guests.0.name"], shown["answers.shirt"]) == (["Ann"], ["M"])
    assert "Your changes are saved." in text_of(again)
    assert (row.name, row.party_size, row.answers) == ("Bob Ray", 4, {"shirt": "M"})


def test_the_own_option_stays_open_when_it_is_full(browser, jazz):
    asked(jazz, FOOD)
    mine, other = (
        registered(jazz, answers={"food": "vegan"}),
        registered(jazz, answers={"food": "any"}),
    )

    own_page = page_of(browser, mine).content.decode()
    refused = browser.post(
        path_of(other),
        {**form_of(page_of(browser, other)), "answers.food": "vegan"},
    )
    saved(browser, mine, **{"answers.food": "any"})
    accepted = saved(browser, other, **{"answers.food": "vegan"})

    assert 'value="vegan" checked>Vegan<' in own_page
    assert refused.status_code == 400
    assert "Your changes are saved." in text_of(accepted)


def test_a_refused_option_leaves_the_stored_answer_chosen(browser, jazz):
    asked(jazz, {**FOOD, "ask": "each_person"})
    ann = {"name": "Ann", "answers": {"food": "any"}}
    registration = registered(jazz, party_size=2, answers={"food": "any"}, guests=[ann])
    form = form_of(page_of(browser, registration))
    registered(jazz, answers={"food": "vegan"})
    path, before = path_of(registration), Registration.objects.get(pk=registration.pk)

    refused = browser.post(path, {**form, "answers.food": "vegan"})
    browser.post(path, {**form_of(refused), "name": "Bob Ray"})
    for_guest = browser.post(path, {**form, "guests.0.answers.food": "vegan"})
    browser.post(path, {**form_of(for_guest), "name": "Bob Gray"})

    row = Registration.objects.get(pk=registration.pk)
    assert "Food: “Vegan” is full. Choose something else." in text_of(refused)
    assert '<a href="#answers.food">' in refused.content.decode()
    assert "Guest 1, Food: “Vegan” is full." in text_of(for_guest)
    assert (row.name, row.answers) == ("Bob Gray", {"food": "any"})
    assert row.guests == before.guests


def test_an_answer_that_hides_a_question_removes_its_answer(browser, jazz):
    asked(jazz, DINNER, WINE)
    registration = registered(jazz, answers={"dinner": True, "wine": "Red"})

    saved(browser, registration, **{"answers.dinner": "false"})

    assert Registration.objects.get().answers == {"dinner": False}


def test_guests_are_renamed_added_and_removed(browser, jazz):
    asked(jazz, SHIRT)
    guests = [
        {"name": "Ann", "email": "ann@example.com", "answers": {"shirt": "S"}},
        {"name": "Cem", "answers": {"shirt": "M"}},
    ]
    registration = registered(jazz, party_size=3, guests=guests, answers={"shirt": "L"})

    response = saved(
        browser, registration, party_size="4",
        **{"guests.1.name": "Cem Ak", "guests.2.name": "Eve", "guests.2.answers.shirt": "XL"},
    )  # fmt: skip
    added = Registration.objects.get()
    saved(
        browser, registration,
        **{f"guests.0.{name}": "" for name in ("name", "email", "answers.shirt")},
    )  # fmt: skip

    assert "Your changes are saved." in text_of(response)
    assert added.party_size == 4
    assert [(each["name"], each["email"], each["answers"]) for each in added.guests] == [
        ("Ann", "ann@example.com", {"shirt": "S"}),
        ("Cem Ak", None, {"shirt": "M"}),
        ("Eve", None, {"shirt": "XL"}),
    ]
    assert [each["name"] for each in Registration.objects.get().guests] == ["Cem Ak", "Eve"]


def test_a_smaller_party_loses_guests_from_the_end(browser, jazz):
    guests = [{"name": "Ann"}, {"name": "Cem"}]
    registration = registered(jazz, party_size=3, guests=guests)

    response = saved(browser, registration, party_size="2")
    refused = saved(browser, registration, party_size="1", **{"guests.0.name": "Eve"})

    assert "The size of your party is changed." in text_of(response)
    assert [each["name"] for each in Registration.objects.get().guests] == ["Ann"]
    assert "A party of 1 has at most 0 guests besides the registrant." in text_of(refused)


def test_the_name_is_shown_and_hidden(browser, olga):
    event = EventFactory(organizer=olga, attendee_list="names")
    registration = registered(event)

    saved(browser, registration, show_name="yes")
    shown = Registration.objects.get().show_name
    saved(browser, registration, show_name=[])

    assert (shown, Registration.objects.get().show_name) == (True, False)
    assert "show_name" not in form_of(page_of(browser, registered(EventFactory(organizer=olga))))


def test_a_choice_that_is_missing_is_asked_for_in_plain_words(browser, jazz):
    asked(jazz, {**DINNER, "required": True})
    registration = registered(jazz, answers={"dinner": True})

    response = saved(browser, registration, **{"answers.dinner": []})

    assert "Dinner: Choose yes or no." in text_of(response)


def handed_on(browser: Client, registration, **fields: str):
    values = {"token": manage_token(registration.pk), "hand_on": "yes", **fields}
    return browser.post(path_of(registration), values, follow=True)


def test_a_place_is_handed_on_to_another_person(browser, jazz):
    registration = registered(jazz, **BOB)

    response = handed_on(browser, registration, new_name="Ann", new_email="ann@example.com")

    row = Registration.objects.get()
    assert "Your place is handed on" in text_of(response)
    assert (row.name, row.email, row.status) == ("Ann", "ann@example.com", "confirmed")
    assert row.ticket_code not in response.content.decode()
    assert page_of(browser, registration).status_code == 404
    assert browser.get(path_of(registration), {"done": "handed-on"}).status_code == 404
    kinds = Notification.objects.filter(email="ann@example.com").values_list("kind", flat=True)
    assert list(kinds) == ["registration_confirmed"]


def test_a_place_that_was_never_handed_on_has_no_former_holder(browser, jazz):
    registration = registered(jazz, **BOB)

    wrong = browser.get(path_of(registration), {"token": "x", "done": "handed-on"})

    assert wrong.status_code == 404


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "Enter your name. Enter your e-mail address."),
        ({"new_name": "Ann", "new_email": "ann@"}, "Check the domain after the @"),
        ({"new_name": "Ann", "new_email": "BOB@example.com"}, "This is your own address."),
        ({"new_name": "Ann", "new_email": "eve@example.com"}, "already registered"),
    ],
)
def test_a_place_is_not_handed_on_with_errors(browser, jazz, fields, sentence):
    registration = registered(jazz, **BOB)
    registered(jazz, email="eve@example.com")

    response = handed_on(browser, registration, **fields)

    page = response.content.decode()
    assert response.status_code == 400
    assert sentence in text_of(response)
    assert "Who Bob, bob@example.com" in text_of(response)
    assert '<details class="more" open>' in page
    assert f'name="new_email" value="{fields.get("new_email", "")}"' in page
    registration.refresh_from_db()
    assert (registration.name, registration.email) == ("Bob", "bob@example.com")


def test_handing_on_has_the_limit_of_registering(browser, jazz, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "register": (1, 60)}
    registration = registered(jazz, **BOB)
    registered(jazz, email="eve@example.com")
    other = {"new_name": "Eve", "new_email": "eve@example.com"}

    statuses = [handed_on(browser, registration, **other).status_code for _ in range(2)]

    assert statuses == [400, 429]


def test_the_mail_is_sent_again(browser, jazz, clock):
    registration = registered(jazz)
    clock.shift(timedelta(hours=1))

    form = {"token": manage_token(registration.pk), "resend": "yes"}
    response = browser.post(path_of(registration), form, follow=True)

    assert "The e-mail is on its way to you again." in text_of(response)
    assert Notification.objects.filter(kind="registration_confirmed").count() == 2


def test_a_party_that_never_fits_is_told_to_become_smaller(browser, olga):
    event = EventFactory(organizer=olga, max_capacity=5, max_party_size=5, waitlist_enabled=True)
    registered(event)
    waiting = registered(event, party_size=5)
    Event.objects.filter(pk=event.pk).update(max_capacity=4)

    page = text_of(page_of(browser, waiting))

    assert "You are on the waiting list, as number 1. Your party of 5 is too large" in page
    assert "whose capacity is 4. Make it smaller below" in page
    assert "without doing anything" not in page


def test_only_a_current_registration_is_changed(browser, jazz):
    registration = registered(jazz, **BOB)
    form = form_of(page_of(browser, registration))
    cancel_registration(registration)

    response = browser.post(path_of(registration), {**form, "name": "Eve"})

    assert response.status_code == 400
    assert "This registration is cancelled; register again instead." in text_of(response)
    assert Registration.objects.get().name == "Bob"


def states(browser: Client, jazz, olga):
    """A registration in every state, by the sentence of its page."""
    full = EventFactory(organizer=olga, max_capacity=1, waitlist_enabled=True, max_party_size=2)
    by_hand = EventFactory(organizer=olga, registration_mode="approval")
    off = EventFactory(organizer=olga)
    registered(full)
    rejected = register_caller(by_hand.pk, None, **BOB)
    reject(rejected, by=olga)
    pending = register_caller(by_hand.pk, None, name="Eve", email="eve@example.com")
    cancelled = registered(jazz)
    cancel_registration(cancelled)
    called_off = registered(off)
    cancel_event(off, reason="Storm.")
    return {
        "confirmed": registered(jazz), "waitlisted": registered(full), "pending": pending,
        "rejected": rejected, "cancelled": cancelled, "called off": called_off,
    }  # fmt: skip


def test_each_state_says_what_happens_next(browser, jazz, olga, clock):
    rows = states(browser, jazz, olga)

    before = {name: text_of(page_of(browser, row)) for name, row in rows.items()}
    clock.move_to(jazz.end_time)
    after = {name: text_of(page_of(browser, row)) for name, row in rows.items()}

    expected = {
        "confirmed": (
            "You have a seat. Your ticket is below.",
            "The event is over. You had a seat.",
        ),
        "waitlisted": (
            "as number 1. When a seat comes free, you move up without doing anything, and get",
            "The event has begun. No seat came free for you.",
        ),
        "pending": (
            "You have no seat yet. An e-mail tells you when there is a decision.",
            "The event has begun. The organizer made no decision.",
        ),
        "rejected": ("The organizer has not accepted this registration. You have no seat.",) * 2,
        "cancelled": ("This registration is cancelled. Time and place",) * 2,
        "called off": ("The event was called off. The organizer says: Storm.",) * 2,
    }
    for name, (sentence, later) in expected.items():
        assert sentence in before[name], name
        assert later in after[name], name
    assert [name for name, text in before.items() if "Changed your mind?" in text] == ["cancelled"]
    assert [name for name in before if "Somebody else comes in my place" in before[name]] == [
        "confirmed", "waitlisted", "pending",
    ]  # fmt: skip
    assert not any("Somebody else comes in my place" in text for text in after.values())
    assert "Add to calendar Google Calendar" in before["waitlisted"]
    assert "Add to calendar" not in before["called off"]
    assert [name for name in before if "Change your registration" in before[name]] == [
        "confirmed", "waitlisted", "pending",
    ]  # fmt: skip
    assert [name for name in before if "I cannot come" in before[name]] == [
        "confirmed", "waitlisted", "pending",
    ]  # fmt: skip
    assert [name for name in before if "with a new ticket by e-mail" in before[name]] == [
        "confirmed"
    ]
