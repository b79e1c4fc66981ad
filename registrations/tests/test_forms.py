"""The questions of events: forms in versions, and answers of those who register."""

from datetime import timedelta
from uuid import UUID

import pytest
from jsonschema_rs import Draft202012Validator
from rest_framework.test import APIClient

from events.models import Event, Form
from events.services import cancel_event
from events.tests.factories import EventFactory, SeriesFactory
from registrations.models import AddressConfirmation, OptionLimit, Registration
from registrations.services.integrity import find_faults
from registrations.tests.factories import registered
from registrations.tickets import confirmation_token, manage_token

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

DINNER = {"key": "dinner", "label": "Do you stay for dinner?", "type": "boolean"}
DIET = {
    "key": "diet",
    "label": "Food",
    "type": "choice",
    "required": True,
    "options": [{"value": "vegan", "label": "Vegan", "limit": 2}, {"value": "any"}],
    "show_if": {"key": "dinner", "any_of": [True]},
}


@pytest.fixture(autouse=True)
def _no_faults(request):
    yield
    assert list(find_faults()) == []


@pytest.fixture
def host(olga, signed_in) -> APIClient:
    return signed_in(olga)


def put(client: APIClient, event: Event, *questions: dict, **headers: str):
    body = {"questions": list(questions)}
    return client.put(f"/api/events/{event.pk}/form/", body, format="json", headers=headers)


def asked(event: Event, *questions: dict) -> Event:
    """The event with a form of these questions."""
    event.refresh_from_db()
    response = put(organizer_of(event), event, *questions)
    assert response.status_code == 200, response.json()
    event.refresh_from_db()
    return event


def organizer_of(event: Event) -> APIClient:
    client = APIClient()
    client.force_authenticate(event.organizer)
    return client


def posted(event: Event, email: str = "bob@example.com", **body: object):
    values = {"name": "Bob", "email": email, **body}
    return APIClient().post(f"/api/events/{event.pk}/register/", values, format="json")


def patched(registration: dict, **changes: object):
    return APIClient().patch(address(registration), changes, format="json")


def address(registration: dict) -> str:
    pk = registration["id"]
    return f"/api/registrations/{pk}/?token={manage_token(UUID(pk))}"


def errors(response) -> list[tuple[str, str]]:
    return [(error["field"], error["code"]) for error in response.json()["errors"]]


def left(event: Event) -> dict[str, int]:
    """What is left of each option with a limit."""
    form = APIClient().get(f"/api/events/{event.pk}/form/").json()
    options = [option for question in form["questions"] for option in question["options"]]
    return {option["value"]: option["left"] for option in options if "left" in option}


# --- The form -----------------------------------------------------------------------------------


def test_an_event_without_a_form_has_version_0(anyone, event):
    response = anyone.get(f"/api/events/{event.pk}/form/")

    assert response.status_code == 200
    assert response.json() == {"version": 0, "questions": []}


def test_a_form_is_shown_with_all_fields(anyone, host, event):
    made = put(host, event, DINNER, DIET)

    assert made.status_code == 200
    plain = {"help": "", "active": True, "ask": "registrant", "min": None, "max": None}
    expected = {
        "version": 1,
        "questions": [
            {
                **plain,
                **DINNER,
                "required": False,
                "options": [],
                "show_if": None,
                "retention_days": None,
            },
            {
                **plain,
                **DIET,
                "options": [
                    {"value": "vegan", "label": "Vegan", "limit": 2, "left": 2},
                    {"value": "any", "label": "any", "limit": None},
                ],
                "retention_days": None,
            },
        ],
    }
    assert made.json() == expected
    assert anyone.get(f"/api/events/{event.pk}/form/").json() == expected


def test_a_form_that_is_sent_back_unchanged_stays_that_version(host, event):
    form = put(host, event, DINNER, DIET).json()

    again = host.put(f"/api/events/{event.pk}/form/", form, format="json")

    assert (again.status_code, again.json()) == (200, form)


def test_versions_are_kept(host, event):
    put(host, event, DINNER)
    put(host, event, {**DINNER, "label": "Dinner?"})

    current = Form.objects.get(pk=Event.objects.values_list("form", flat=True).get(pk=event.pk))
    assert (current.version, current.previous.version) == (2, 1)
    assert current.previous.questions[0]["label"] == "Do you stay for dinner?"


def test_if_match_guards_a_form_against_other_edits_alone(host, event):
    tag = put(host, event, DINNER).headers["ETag"]
    posted(event, answers={"dinner": True})

    edited = put(host, event, {**DINNER, "label": "Dinner?"}, if_match=tag)
    late = put(host, event, DINNER, if_match=tag)

    assert edited.status_code == 200
    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ({"key": "1st"}, ("questions.0.key", "invalid")),
        ({"key": "a.b"}, ("questions.0.key", "invalid")),
        ({"type": "colour"}, ("questions.0.type", "invalid_choice")),
        ({"label": " "}, ("questions.0.label", "blank")),
        ({"type": "choice"}, ("questions.0.options", "required")),
        ({"options": [{"value": "a"}]}, ("questions.0.options", "invalid")),
        (
            {"type": "choices", "options": [{"value": "a"}, {"value": "a"}]},
            ("questions.0.options.1.value", "unique"),
        ),
        (
            {"type": "choice", "options": [{"value": "a", "limit": -1}]},
            ("questions.0.options.0.limit", "min_value"),
        ),
        ({"min": 1}, ("questions.0.min", "invalid")),
        ({"type": "number", "min": 2, "max": 1}, ("questions.0.max", "min_value")),
        ({"show_if": {"key": "b", "any_of": [1]}}, ("questions.0.show_if.key", "invalid_choice")),
        ({"show_if": {"key": "b", "any_of": []}}, ("questions.0.show_if.any_of", "min_length")),
        ({"requird": True}, ("questions.0.requird", "unknown_field")),
    ],
)
def test_an_impossible_question_is_an_error(host, event, question, expected):
    response = put(host, event, {"key": "a", "label": "A", "type": "text", **question})

    assert response.status_code == 400
    assert errors(response) == [expected]


def test_keys_are_unique_as_the_columns_of_an_import(host, event):
    response = put(host, event, {**DINNER, "key": "t_shirt"}, {**DINNER, "key": "T-Shirt"})

    assert errors(response) == [("questions.1.key", "unique")]


def test_a_condition_names_an_earlier_question_and_a_possible_answer(host, event):
    later = put(host, event, DIET, DINNER)
    impossible = put(host, event, DINNER, {**DIET, "show_if": {"key": "dinner", "any_of": [1]}})

    assert errors(later) == [("questions.0.show_if.key", "invalid_choice")]
    assert errors(impossible) == [("questions.1.show_if.any_of.0", "invalid_choice")]


def test_a_form_has_at_most_50_questions_of_100_options(host, event):
    questions = [{**DINNER, "key": f"q{n}"} for n in range(51)]
    options = [{"value": f"v{n}"} for n in range(101)]

    assert errors(put(host, event, *questions)) == [("questions", "max_length")]
    many = {"key": "a", "label": "A", "type": "choice", "options": options}
    assert errors(put(host, event, many)) == [("questions.0.options", "max_length")]


def test_a_form_has_a_largest_size(host, event):
    large = [{**DINNER, "key": f"q{n}", "help": "é" * 1000} for n in range(50)]
    options = [{"value": f"{n}", "label": "é" * 200} for n in range(100)]
    choices = [{"key": f"c{n}", "label": "C", "type": "choice", "options": options} for n in "1234"]

    response = put(host, event, *large)
    too_large = put(host, event, *large[:46], *choices)

    assert response.status_code == 200
    assert errors(too_large) == [("questions", "max_length")]
    assert "262,144 bytes" in too_large.json()["errors"][0]["detail"]


def test_a_condition_compares_with_short_texts(host, event):
    text = {"key": "a", "label": "A", "type": "paragraph"}
    shown = [{**DINNER, "show_if": {"key": "a", "any_of": ["x" * n]}} for n in (500, 501)]

    responses = [put(host, event, text, each) for each in shown]

    assert responses[0].status_code == 200
    assert errors(responses[1]) == [("questions.1.show_if.any_of", "max_length")]


def test_the_form_of_a_cancelled_event_is_final(host, event):
    cancel_event(event)

    response = put(host, event, DINNER)

    assert (response.status_code, response.json()["code"]) == (409, "event_cancelled")


def test_a_question_with_answers_stays_with_its_type(host, event):
    asked(event, DINNER, {"key": "note", "label": "Note", "type": "text"})
    posted(event, answers={"note": "Hi"})

    gone = put(host, event, DINNER)
    other_type = put(host, event, {"key": "note", "label": "Note", "type": "url"})
    without_answers = put(host, event, {"key": "note", "label": "Note", "type": "text"})
    inactive = put(host, event, {"key": "note", "label": "Note", "type": "text", "active": False})

    for response in (gone, other_type):
        assert (response.status_code, response.json()["code"]) == (409, "question_in_use")
        assert response.json()["key"] == "note"
    assert (without_answers.status_code, inactive.status_code) == (200, 200)


# --- Series and copies --------------------------------------------------------------------------


def test_the_form_of_a_series_applies_to_events_not_edited_by_hand(host, olga):
    series = SeriesFactory(organizer=olga)
    first, second, third = series.events.order_by("start_time")
    put(host, first, DINNER)

    response = host.put(
        f"/api/series/{series.pk}/form/", {"questions": [DIET | {"show_if": None}]}, format="json"
    )

    assert response.status_code == 200
    assert "left" not in response.json()["questions"][0]["options"][0]
    keys = [
        [q["key"] for q in host.get(f"/api/events/{e.pk}/form/").json()["questions"]]
        for e in (first, second, third)
    ]
    assert keys == [["dinner"], ["diet"], ["diet"]]
    posted(second, answers={"diet": "vegan"})
    assert (left(second), left(third)) == ({"vegan": 1}, {"vegan": 2})


def test_a_question_that_one_event_of_a_series_answers_stays(host, olga):
    series = SeriesFactory(organizer=olga)
    path = f"/api/series/{series.pk}/form/"
    host.put(path, {"questions": [DINNER]}, format="json")
    posted(series.events.latest("start_time"), answers={"dinner": True})

    response = host.put(path, {"questions": []}, format="json")

    assert (response.status_code, response.json()["code"]) == (409, "question_in_use")


def test_new_events_of_a_series_have_its_form(host, olga):
    series = SeriesFactory(organizer=olga)
    host.put(f"/api/series/{series.pk}/form/", {"questions": [DINNER]}, format="json")

    host.patch(f"/api/series/{series.pk}/", {"recurrence": "FREQ=WEEKLY;COUNT=4"}, format="json")

    versions = series.events.values_list("form__version", flat=True)
    assert list(versions) == [1, 1, 1, 1]


def test_a_copy_has_the_form_and_no_answers(host, event):
    asked(event, {**DIET, "show_if": None})
    posted(event, answers={"diet": "vegan"})

    copy = host.post(
        f"/api/events/{event.pk}/duplicate/",
        {"start_time": "2027-05-01T10:00:00Z"},
        format="json",
    ).json()

    form = host.get(f"/api/events/{copy['id']}/form/").json()
    assert form["questions"][0]["options"][0] == {
        "value": "vegan", "label": "Vegan", "limit": 2, "left": 2,
    }  # fmt: skip


# --- Registering --------------------------------------------------------------------------------


def test_answers_are_in_the_registration(event, host):
    asked(event, DINNER, DIET)

    made = posted(event, answers={"dinner": True, "diet": "vegan"})

    assert made.status_code == 201
    assert made.json()["answers"] == {"dinner": True, "diet": "vegan"}
    read = host.get(f"/api/registrations/{made.json()['id']}/")
    assert read.json()["answers"] == {"dinner": True, "diet": "vegan"}


def test_an_event_without_a_form_has_no_answers_in_its_registrations(event):
    made = posted(event, answers={})

    assert made.status_code == 201
    assert "answers" not in made.json()


@pytest.mark.parametrize("fields", [{}, {"answers": {"dinner": True}}, {"answers": None}])
def test_a_required_question_needs_an_answer(event, fields):
    asked(event, {**DINNER, "required": True}, DIET)

    response = posted(event, **fields)

    assert response.status_code == 400
    key = "diet" if fields.get("answers") else "dinner"
    assert errors(response) == [(f"answers.{key}", "required")]
    event.refresh_from_db()
    assert event.registered_count == 0


@pytest.mark.parametrize(
    ("question", "value", "code"),
    [
        ({"type": "text"}, "x" * 501, "max_length"),
        ({"type": "text"}, "a\nb", "invalid"),
        ({"type": "text"}, 5, "invalid"),
        ({"type": "text"}, {"a": 1}, "invalid"),
        ({"type": "paragraph"}, "x" * 5001, "max_length"),
        ({"type": "paragraph"}, "a\x00b", "invalid"),
        ({"type": "number", "min": 1}, 0, "min_value"),
        ({"type": "number", "max": 9}, 9.5, "max_value"),
        ({"type": "number"}, "5", "invalid"),
        ({"type": "number"}, True, "invalid"),
        ({"type": "number"}, 10**16, "max_value"),
        ({"type": "boolean"}, "yes", "invalid"),
        ({"type": "consent"}, "yes", "invalid"),
        ({"type": "consent", "required": True}, False, "required"),
        ({"type": "choice", "options": [{"value": "a"}]}, "b", "invalid_choice"),
        ({"type": "choice", "options": [{"value": "a"}]}, ["a"], "invalid_choice"),
        ({"type": "choices", "options": [{"value": "a"}]}, "a", "invalid"),
        ({"type": "choices", "options": [{"value": "a"}]}, ["a", 1], "invalid_choice"),
        ({"type": "date"}, "2027-02-30", "invalid"),
        ({"type": "date"}, "2027-02-03T10:00", "invalid"),
        ({"type": "email"}, "bob", "invalid"),
        ({"type": "phone"}, "12", "invalid"),
        ({"type": "phone"}, "call me", "invalid"),
        ({"type": "url"}, "javascript:alert(1)", "invalid"),
        ({"type": "url"}, "https://[", "invalid"),
        ({"type": "country"}, "XX", "invalid_choice"),
        ({"type": "text", "active": False}, "a", "unknown_question"),
    ],
)  # fmt: skip
def test_an_answer_that_the_question_does_not_accept_is_an_error(event, question, value, code):
    asked(event, {"key": "q", "label": "Q", **question})

    response = posted(event, answers={"q": value})

    assert response.status_code == 400
    assert errors(response) == [("answers.q", code)]


@pytest.mark.parametrize(
    ("question", "value", "stored"),
    [
        ({"type": "text"}, "  Hi ", "Hi"),
        ({"type": "paragraph"}, "a\r\nb", "a\nb"),
        ({"type": "number"}, 2.0, 2),
        ({"type": "number"}, -2.5, -2.5),
        ({"type": "boolean"}, False, False),
        ({"type": "consent"}, True, {"agreed": True, "version": 1, "at": "2027-01-15T12:00:00Z"}),
        ({"type": "choices", "options": [{"value": "a"}, {"value": "b"}]}, ["b", "a", "b"],
         ["a", "b"]),
        ({"type": "date"}, "2028-02-29", "2028-02-29"),
        ({"type": "email"}, "Ann@Example.COM", "ann@example.com"),
        ({"type": "phone"}, "+49 (0)30 / 123-456", "+49 (0)30 / 123-456"),
        ({"type": "url"}, "https://example.org/a?b=c", "https://example.org/a?b=c"),
        ({"type": "country"}, "de", "DE"),
    ],
)  # fmt: skip
def test_answers_are_stored_in_one_form(event, question, value, stored):
    asked(event, {"key": "q", "label": "Q", **question})

    response = posted(event, answers={"q": value})

    assert response.json()["answers"] == {"q": stored}


@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_answer_is_none(event, empty):
    asked(event, {"key": "q", "label": "Q", "type": "text"})

    assert posted(event, answers={"q": empty}).json()["answers"] == {}


def test_all_errors_are_reported_at_once(event):
    asked(event, {**DINNER, "required": True}, {"key": "n", "label": "N", "type": "number"})

    response = posted(event, answers={"n": "x", "dinnr": True})

    assert sorted(errors(response)) == [
        ("answers.dinner", "required"),
        ("answers.dinnr", "unknown_question"),
        ("answers.n", "invalid"),
    ]
    [typo] = [e for e in response.json()["errors"] if e["code"] == "unknown_question"]
    assert typo["suggestion"] == "dinner"


def test_hidden_answers_are_dropped(event):
    asked(
        event, DINNER, DIET, {**DIET, "key": "wine", "show_if": {"key": "diet", "any_of": ["any"]}}
    )

    made = posted(event, answers={"dinner": False, "diet": "vegan", "wine": "any"})

    assert made.json()["answers"] == {"dinner": False}
    assert left(event) == {"vegan": 2}


def test_hidden_answers_are_dropped_unread(event):
    asked(event, DINNER, {**DIET, "ask": "each_person"})
    guests = [{"name": "Ann", "answers": {"diet": "fish"}}]
    Event.objects.filter(pk=event.pk).update(max_party_size=2)

    shown = posted(event, answers={"dinner": True, "diet": "fish"}, party_size=2, guests=guests)
    made = posted(event, answers={"dinner": False, "diet": "fish"}, party_size=2, guests=guests)
    edited = patched(made.json(), answers={"diet": "fish"})

    assert errors(shown) == [
        ("answers.diet", "invalid_choice"), ("guests.0.answers.diet", "invalid_choice"),
    ]  # fmt: skip
    assert made.json()["answers"] == edited.json()["answers"] == {"dinner": False}
    assert made.json()["guests"] == [{"name": "Ann", "email": None, "answers": {}}]


def test_each_person_answers_and_conditions_may_be_the_registrants(event):
    Event.objects.filter(pk=event.pk).update(max_party_size=5)
    asked(event, DINNER, {**DIET, "ask": "each_person"})

    missing = posted(event, party_size=3, guests=[{"name": "Ann"}], answers={"dinner": True})
    made = posted(
        event,
        party_size=3,
        guests=[{"name": "Ann", "answers": {"diet": "vegan"}}],
        answers={"dinner": True, "diet": "any"},
    )
    unknown = posted(
        event,
        "eve@example.com",
        party_size=2,
        guests=[{"answers": {"dinner": True}}],
        answers={"dinner": False},
    )

    assert errors(missing) == [("answers.diet", "required"), ("guests.0.answers.diet", "required")]
    assert made.json()["guests"] == [{"name": "Ann", "email": None, "answers": {"diet": "vegan"}}]
    assert errors(unknown) == [("guests.0.answers.dinner", "unknown_question")]
    assert left(event) == {"vegan": 1}


def test_another_version_is_refused_with_the_form(event):
    asked(event, DINNER)

    current = posted(event, answers={}, form_version=1)
    asked(event, {**DINNER, "required": True})
    old = posted(event, "eve@example.com", answers={}, form_version=1)

    assert current.status_code == 201
    assert (old.status_code, old.json()["code"]) == (409, "form_changed")
    assert old.json()["form"]["version"] == 2
    assert old.json()["form"]["questions"][0]["required"] is True


def test_a_registered_address_is_reported_before_a_changed_form(event):
    asked(event, DINNER)
    posted(event)

    response = posted(event, form_version=9)

    assert (response.status_code, response.json()["code"]) == (409, "already_registered")


def test_answers_to_an_event_without_a_form_are_unknown(event):
    response = posted(event, answers={"diet": "vegan"})

    assert errors(response) == [("answers.diet", "unknown_question")]


def test_a_hidden_draft_reveals_nothing_of_its_form(event):
    asked(event, {**DINNER, "required": True})
    Event.objects.filter(pk=event.pk).update(status="draft")

    assert posted(event, answers={"x": 1}).status_code == 404
    assert posted(event, form_version=7).status_code == 404


# --- Limits of options --------------------------------------------------------------------------


def test_a_limit_is_kept_and_given_back(event):
    asked(event, {**DIET, "show_if": None})
    first = posted(event, "a@example.com", answers={"diet": "vegan"}).json()
    posted(event, "b@example.com", answers={"diet": "vegan"})

    full = posted(event, "c@example.com", answers={"diet": "vegan"})
    APIClient().delete(address(first))
    free = posted(event, "c@example.com", answers={"diet": "vegan"})

    assert (full.status_code, full.json()["code"]) == (409, "option_full")
    assert (full.json()["key"], full.json()["value"]) == ("diet", "vegan")
    assert free.status_code == 201
    assert left(event) == {"vegan": 0}


def test_people_on_the_waitlist_hold_their_option(event):
    Event.objects.filter(pk=event.pk).update(max_capacity=1, waitlist_enabled=True)
    asked(event, {**DIET, "show_if": None})
    posted(event, "a@example.com", answers={"diet": "vegan"})

    waiting = posted(event, "b@example.com", answers={"diet": "vegan"})
    full = posted(event, "c@example.com", answers={"diet": "vegan"})

    assert waiting.json()["status"] == "waitlisted"
    assert full.json()["code"] == "option_full"


def test_a_full_option_is_reported_before_a_full_event(event):
    Event.objects.filter(pk=event.pk).update(max_capacity=2)
    asked(event, {**DIET, "show_if": None})
    for letter in "ab":
        posted(event, f"{letter}@example.com", answers={"diet": "vegan"})

    option = posted(event, "c@example.com", answers={"diet": "vegan"})
    full = posted(event, "c@example.com", answers={"diet": "any"})

    assert (option.json()["code"], full.json()["code"]) == ("option_full", "event_full")


def test_a_limit_counts_the_answers_that_there_are(host, event):
    unlimited = {**DIET, "show_if": None, "options": [{"value": "vegan"}, {"value": "any"}]}
    asked(event, unlimited)
    for letter in "abc":
        posted(event, f"{letter}@example.com", answers={"diet": "vegan"})

    below = put(host, event, {**DIET, "show_if": None})
    enough = put(host, event, {**unlimited, "options": [{"value": "vegan", "limit": 4}]})

    assert (below.status_code, below.json()["code"]) == (409, "limit_below_taken")
    assert (below.json()["key"], below.json()["value"], below.json()["minimum"]) == (
        "diet", "vegan", 3,
    )  # fmt: skip
    assert enough.status_code == 200
    assert left(event) == {"vegan": 1}


def test_a_limit_is_not_lowered_below_what_is_taken(host, event):
    asked(event, {**DIET, "show_if": None})
    for letter in "ab":
        posted(event, f"{letter}@example.com", answers={"diet": "vegan"})

    response = put(
        host, event, {**DIET, "show_if": None, "options": [{"value": "vegan", "limit": 1}]}
    )

    assert (response.status_code, response.json()["code"]) == (409, "limit_below_taken")
    assert OptionLimit.objects.get().limit == 2


def test_surplus_guests_give_their_options_back(event):
    Event.objects.filter(pk=event.pk).update(max_party_size=5)
    asked(event, {**DIET, "show_if": None, "ask": "each_person"})
    guests = [{"name": "Ann", "answers": {"diet": "vegan"}}]
    made = posted(event, party_size=2, guests=guests, answers={"diet": "vegan"}).json()

    smaller = patched(made, party_size=1)

    assert (smaller.status_code, smaller.json()["guests"]) == (200, [])
    assert left(event) == {"vegan": 1}


# --- Edits --------------------------------------------------------------------------------------


def test_answers_are_edited_by_key(event):
    asked(event, DINNER, DIET, {"key": "note", "label": "Note", "type": "text"})
    made = posted(event, answers={"dinner": True, "diet": "vegan", "note": "Hi"}).json()

    edited = patched(made, answers={"diet": "any", "note": None})

    assert edited.status_code == 200
    assert edited.json()["answers"] == {"dinner": True, "diet": "any"}
    assert left(event) == {"vegan": 2}


def test_only_what_is_sent_is_checked(event):
    asked(event, {"key": "note", "label": "Note", "type": "text"})
    made = posted(event, answers={"note": "Hi"}).json()
    asked(
        event,
        {"key": "note", "label": "Note", "type": "text", "active": False},
        {"key": "terms", "label": "Terms", "type": "consent", "required": True},
    )

    renamed = patched(made, name="Bo")
    sent_back = patched(made, answers=made["answers"])
    removed = patched(made, answers={"note": None})

    assert [each.status_code for each in (renamed, sent_back, removed)] == [200, 200, 200]
    assert sent_back.json()["answers"] == {"note": "Hi"}
    assert removed.json()["answers"] == {}


def test_guests_from_before_a_question_for_them_stay_as_they_are(event):
    """A party that is sent back as it was read, or whose guests are not sent, has not changed."""
    Event.objects.filter(pk=event.pk).update(max_party_size=2)
    asked(event, DINNER)
    made = posted(event, party_size=2, guests=[{"name": "Ann"}], answers={"dinner": True}).json()
    asked(event, DINNER, {**DIET, "ask": "each_person"})

    sent_back = patched(made, answers=made["answers"], guests=made["guests"])
    edited = patched(made, answers={"dinner": False})

    assert sent_back.json()["guests"] == [{"name": "Ann", "email": None}]
    assert edited.json()["guests"] == [{"name": "Ann", "email": None}]


def test_answers_that_an_edit_hides_are_dropped(event):
    asked(event, DINNER, DIET)
    made = posted(event, answers={"dinner": True, "diet": "vegan"}).json()

    hidden = patched(made, answers={"dinner": False})
    visible = patched(made, answers={"dinner": True})

    assert hidden.json()["answers"] == {"dinner": False}
    assert (visible.status_code, visible.json()["answers"]) == (200, {"dinner": True})
    assert left(event) == {"vegan": 2}


def test_an_answer_that_the_form_hides_stays(event):
    asked(event, DINNER, {**DIET, "show_if": None})
    made = posted(event, answers={"diet": "any"}).json()
    asked(event, DINNER, DIET)

    renamed = patched(made, name="Bo", answers={"dinner": False})

    assert renamed.json()["answers"] == {"dinner": False, "diet": "any"}


def test_an_option_that_is_gone_keeps_its_answers(event):
    asked(event, {**DIET, "show_if": None})
    made = posted(event, answers={"diet": "vegan"}).json()
    asked(event, {**DIET, "show_if": None, "options": [{"value": "any"}]})

    read = patched(made, name="Bo")

    assert read.json()["answers"] == {"diet": "vegan"}
    assert posted(event, "c@example.com", answers={"diet": "vegan"}).status_code == 400


def test_an_edit_takes_a_limited_option(event):
    asked(event, {**DIET, "show_if": None})
    made = posted(event, "a@example.com", answers={"diet": "any"}).json()
    for letter in "bc":
        posted(event, f"{letter}@example.com", answers={"diet": "vegan"})

    full = patched(made, answers={"diet": "vegan"})

    assert (full.status_code, full.json()["code"]) == (409, "option_full")


def test_a_consent_keeps_its_first_time(event, clock):
    asked(event, {"key": "terms", "label": "Terms", "type": "consent", "required": True})
    made = posted(event, answers={"terms": True}).json()
    clock.shift(timedelta(hours=1))

    again = patched(made, answers={"terms": True})
    withdrawn = patched(made, answers={"terms": None})

    assert again.json()["answers"] == made["answers"]
    assert errors(withdrawn) == [("answers.terms", "required")]


def test_guests_that_are_replaced_keep_their_answers(event):
    Event.objects.filter(pk=event.pk).update(max_party_size=5)
    asked(event, {**DIET, "show_if": None, "ask": "each_person"})
    guests = [
        {"name": "Ann", "answers": {"diet": "vegan"}},
        {"name": "Zoe", "answers": {"diet": "any"}},
    ]
    made = posted(event, party_size=3, guests=guests, answers={"diet": "any"}).json()

    edited = patched(made, guests=[{"name": "Ann"}, {"name": "Eve", "answers": {"diet": "vegan"}}])

    assert edited.json()["guests"] == [
        {"name": "Ann", "email": None, "answers": {"diet": "vegan"}},
        {"name": "Eve", "email": None, "answers": {"diet": "vegan"}},
    ]
    assert left(event) == {"vegan": 0}


@pytest.mark.parametrize("names", [("Ann", "Zoe"), (None, None), ("Ann", "Ann")])
def test_a_guest_that_moves_up_keeps_an_answer_that_is_no_longer_possible(event, names):
    Event.objects.filter(pk=event.pk).update(max_party_size=5)
    own = {**DIET, "show_if": None, "ask": "each_person", "required": False}
    asked(event, own)
    guests = [
        {"name": name, "email": None, "answers": {"diet": diet}}
        for name, diet in zip(names, ("vegan", "any"), strict=True)
    ]
    made = posted(event, party_size=3, guests=guests).json()
    asked(event, {**own, "options": own["options"][:1]})

    edited = patched(made, party_size=2, guests=guests[1:])

    assert edited.status_code == 200, edited.json()
    assert edited.json()["guests"] == guests[1:]
    assert left(event) == {"vegan": 2}


def brought(event) -> dict:
    """A registration with a guest, and answers of both."""
    Event.objects.filter(pk=event.pk).update(max_party_size=5)
    asked(event, {**DIET, "show_if": None, "ask": "each_person"}, DINNER)
    guests = [{"name": "Ann", "answers": {"diet": "vegan"}}]
    answers = {"diet": "vegan", "dinner": True}
    return posted(event, party_size=2, guests=guests, answers=answers).json()


def test_who_is_handed_a_registration_reads_no_answers_of_the_former_holder(event):
    made = brought(event)

    response = patched(made, email="eve@example.com")

    row = Registration.objects.get()
    assert response.status_code == 200
    assert (response.json()["guests"], response.json()["party_size"]) == ([], 2)
    assert (row.answers, row.guests, row.party_size) == ({}, [], 2)
    assert left(event) == {"vegan": 2}


def test_a_registration_is_handed_on_with_the_answers_that_are_sent(event):
    made = brought(event)

    patched(made, email="eve@example.com", answers={"diet": "any"}, guests=[{"name": "Zoe"}])

    row = Registration.objects.get()
    assert row.answers == {"diet": "any"}
    assert [guest["name"] for guest in row.guests] == ["Zoe"]


def test_a_correction_of_an_address_by_the_organizer_keeps_the_answers(event, host):
    made = brought(event)

    host.patch(f"/api/registrations/{made['id']}/", {"email": "eve@example.com"}, format="json")

    row = Registration.objects.get()
    assert (row.email, row.answers) == ("eve@example.com", {"diet": "vegan", "dinner": True})
    assert len(row.guests) == 1
    assert left(event) == {"vegan": 0}


def test_answers_of_a_cancelled_registration_are_final(event):
    asked(event, DINNER)
    made = posted(event, answers={"dinner": True}).json()
    APIClient().delete(address(made))

    response = patched(made, answers={"dinner": False})

    assert (response.status_code, response.json()["code"]) == (409, "registration_cancelled")


# --- The schema, the feed -----------------------------------------------------------------------


def test_the_schema_describes_the_answers(anyone, event):
    Event.objects.filter(pk=event.pk).update(max_party_size=5)
    asked(event, DINNER, {**DIET, "ask": "each_person"})

    schema = anyone.get(f"/api/events/{event.pk}/form/schema/").json()

    assert schema["properties"]["diet"] == {"title": "Food", "enum": ["vegan", "any"]}
    assert schema["allOf"] == [
        {
            "if": {"required": ["dinner"], "properties": {"dinner": {"enum": [True]}}},
            "then": {"required": ["diet"]},
        }
    ]
    assert list(schema["$defs"]["guest"]["properties"]) == ["diet"]


CHAIN = [
    {"key": "q0", "label": "Q", "type": "text"},
    *(
        {
            "key": f"q{n}", "label": "Q", "type": "text", "required": True, "ask": "each_person",
            "show_if": {"key": f"q{n - 1}", "any_of": ["yes", "x" * 400]},
        }
        for n in range(1, 50)
    ),
]  # fmt: skip
CHAIN[0]["ask"] = "each_person"


def test_the_schema_of_a_chain_of_conditions_is_not_much_larger_than_its_form(host, event):
    form = put(host, event, *CHAIN)
    schema = host.get(f"/api/events/{event.pk}/form/schema/")

    assert len(schema.content) < 5 * len(form.content)


@pytest.mark.parametrize("of_guest", [False, True])
def test_the_schema_of_a_chain_of_conditions_requires_what_the_form_does(host, event, of_guest):
    put(host, event, *CHAIN[:4])
    schema = host.get(f"/api/events/{event.pk}/form/schema/").json()
    validator = Draft202012Validator(schema["$defs"]["guest"] if of_guest else schema)

    assert validator.is_valid({"q0": "no", "q1": "yes", "q2": "yes"})
    assert validator.is_valid({"q0": "yes", "q1": "yes", "q2": "yes", "q3": "last"})
    assert not validator.is_valid({"q0": "yes", "q1": "yes", "q2": "yes"})
    assert not validator.is_valid({"q0": "yes"})


@pytest.mark.django_db(transaction=True)
def test_changed_forms_are_in_the_feed(olga, signed_in):
    host, event = signed_in(olga), EventFactory(organizer=olga)
    series = SeriesFactory(organizer=olga)
    start = host.get("/api/changes/?from=now").json()["next_cursor"]

    put(host, event, DINNER)
    put(host, event, DINNER)
    host.put(f"/api/series/{series.pk}/form/", {"questions": [DINNER]}, format="json")
    made = posted(event, answers={"dinner": True}).json()
    patched(made, answers={"dinner": False})

    page = host.get("/api/changes/", {"cursor": start}).json()["results"]
    forms = [change for change in page if change["type"] == "form.changed"]
    assert [(c["event"], c["object"]["id"]) for c in forms] == [
        (event.pk, event.pk),
        (None, series.pk),
        *((row.pk, row.pk) for row in series.events.order_by("pk")),
    ]
    assert forms[0]["data"] == host.get(f"/api/events/{event.pk}/form/").json()
    assert forms[1]["data"] == host.get(f"/api/series/{series.pk}/form/").json()
    assert forms[0]["actor"] == {"kind": "user", "id": olga.pk, "on_behalf_of": None}
    updated = [change for change in page if change["type"] == "registration.updated"]
    assert [change["data"]["answers"] for change in updated] == [{"dinner": False}]


@pytest.mark.django_db(transaction=True)
def test_registering_with_answers_works_outside_a_transaction(event):
    asked(event, {**DIET, "show_if": None})

    made = posted(event, answers={"diet": "vegan"})
    edited = patched(made.json(), answers={"diet": "any"})

    assert (made.status_code, edited.status_code) == (201, 200)
    assert Registration.objects.get().answers == {"diet": "any"}
    assert left(event) == {"vegan": 2}


def test_registered_people_keep_their_place_without_answers(event):
    early = registered(event)
    asked(event, {**DINNER, "required": True})

    renamed = patched({"id": str(early.pk)}, name="Bo")

    assert renamed.status_code == 200
    assert renamed.json()["answers"] == {}


# --- Admission ----------------------------------------------------------------------------------


def test_a_pending_party_takes_its_option_when_it_is_approved(host, event):
    asked(event, {**DIET, "show_if": None, "options": [{"value": "vegan", "limit": 1}]})
    Event.objects.filter(pk=event.pk).update(registration_mode="approval")

    missing = posted(event, "a@example.com")
    first, second = (
        posted(event, f"{letter}@example.com", answers={"diet": "vegan"}).json() for letter in "ab"
    )

    assert errors(missing) == [("answers.diet", "required")]
    assert (first["status"], first["answers"]) == ("pending", {"diet": "vegan"})
    assert left(event) == {"vegan": 1}
    assert host.post(f"/api/registrations/{first['id']}/approve/").status_code == 200
    full = host.post(f"/api/registrations/{second['id']}/approve/")
    assert (full.status_code, full.json()["code"]) == (409, "option_full")
    assert left(event) == {"vegan": 0}


def test_cancelling_a_pending_party_gives_nothing_back(host, event):
    asked(event, {**DIET, "show_if": None})
    Event.objects.filter(pk=event.pk).update(registration_mode="approval")
    made = posted(event, answers={"diet": "vegan"}).json()

    host.delete(f"/api/registrations/{made['id']}/")

    assert left(event) == {"vegan": 2}


def test_a_full_option_uses_no_code(host, event):
    asked(event, {**DIET, "show_if": None, "options": [{"value": "vegan", "limit": 1}]})
    Event.objects.filter(pk=event.pk).update(registration_mode="code")
    host.post(f"/api/events/{event.pk}/codes/", {"code": "vip", "max_uses": 1}, format="json")
    posted(event, "a@example.com", answers={"diet": "vegan"}, code="vip")

    without = posted(event, "b@example.com", answers={"diet": "vegan"})
    full = posted(event, "b@example.com", answers={"diet": "vegan"}, code="vip")
    invalid = posted(event, "b@example.com", answers={"diet": "meat"}, code="vip")

    assert (without.json()["code"], full.json()["code"]) == ("code_required", "option_full")
    assert errors(invalid) == [("answers.diet", "invalid_choice")]


def test_answers_that_were_accepted_survive_a_change_before_the_confirmation(event):
    terms = {"key": "terms", "label": "T", "type": "consent", "required": True}
    asked(event, terms, {"key": "note", "label": "N", "type": "text"})
    Event.objects.filter(pk=event.pk).update(registration_mode="confirm_address")

    invalid = posted(event, answers={"note": "Hi"})
    requested = posted(event, answers={"note": "Hi", "terms": True})
    asked(event, terms, {"key": "more", "label": "M", "type": "text", "required": True})
    request = AddressConfirmation.objects.get()
    made = APIClient().post(
        "/api/registrations/confirm/",
        {"token": confirmation_token(request.pk, request.version)},
        format="json",
    )

    assert (errors(invalid), requested.status_code) == ([("answers.terms", "required")], 202)
    assert made.status_code == 200, made.json()
    agreed = {"agreed": True, "version": 1, "at": "2027-01-15T12:00:00Z"}
    assert made.json()["answers"] == {"terms": agreed}
