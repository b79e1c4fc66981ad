"""The sample data: its content, loading it once, and the wipe."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Count, Q

from accounts.models import User
from config.api.files.csv_rows import ImportRefused
from conftest import NOW
from events.models import Category, Event, Series
from events.tests.factories import EventFactory
from events.zones import wall_clock
from registrations import sample_data
from registrations.forms.questions import questions_of
from registrations.models import Registration
from registrations.services import cancel_registration
from registrations.services.integrity import find_faults, find_notes
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _for_trying_out(settings):
    """Whatever database the tests run on."""
    settings.USES_EMBEDDED_POSTGRES = True


@pytest.fixture
def production(settings):
    settings.USES_EMBEDDED_POSTGRES = settings.DEBUG = False


def load(*options: str) -> str:
    # TRUNCATE waits for no one: what the test has written must have been checked before.
    connection.check_constraints()
    out = StringIO()
    call_command("load_sample_data", *options, stdout=out)
    return out.getvalue()


def refusal(*options: str) -> str:
    with pytest.raises(CommandError) as refused:
        load(*options)
    return str(refused.value)


def answering(monkeypatch, answer: str) -> list[str]:
    """Answers every question and returns the list of the questions."""
    questions: list[str] = []
    monkeypatch.setattr("builtins.input", lambda question: questions.append(question) or answer)
    return questions


def rows() -> list[list[dict]]:
    return [
        list(model.objects.order_by("pk").values())
        for model in (User, Category, Event, Registration)
    ]


# --- What it holds ------------------------------------------------------------------------------


def test_the_output_has_the_counts_and_the_logins(anyone):
    output = load()

    assert output.splitlines() == [
        "Made 4 accounts, 34 events and 247 registrations.",
        "Sign in with one of the sample accounts:",
        "  demo@example.com     demo-password-2027       organizer",
        "  ngaio@example.com    ngaio-password-2027      organizer",
        "  visitor@example.com  visitor-password-2027    attendee",
        "  admin@example.com    admin-password-2027      staff, for /admin/",
    ]
    for account in sample_data.ACCOUNTS:
        body = {"email": account.email, "password": account.known_password}
        assert anyone.post("/api/login/", body).status_code == 200


def test_the_known_passwords_are_good_enough_to_sign_up_with(anyone):
    for account in sample_data.ACCOUNTS:
        body = {
            "email": account.email,
            "username": account.email.partition("@")[0],
            "password": account.known_password,
        }
        assert anyone.post("/api/users/", body).status_code == 201


def test_the_counters_equal_the_rows():
    load()

    counted = Event.objects.annotate(
        confirmed=Count("registrations", Q(registrations__status="confirmed")),
        waiting=Count("registrations", Q(registrations__status="waitlisted")),
    )
    for event in counted:
        assert (event.registered_count, event.waitlist_count) == (event.confirmed, event.waiting)


def test_statistics_of_the_past_event_agree(clock, signed_in):
    load()
    past = Event.objects.past().get()
    client = signed_in(past.organizer)

    of_event = client.get(f"/api/events/{past.pk}/statistics/").json()["totals"]
    own = client.get("/api/me/statistics/").json()["totals"]
    checked_in = Registration.objects.filter(event=past).exclude(checked_in_at=None).count()

    assert checked_in > 0
    assert of_event["checked_in"] == own["checked_in"] == checked_in
    assert of_event["no_show"] == own["no_show"] == past.registered_count - checked_in
    assert list(find_notes()) == []
    assert list(find_faults()) == []


def test_there_is_an_event_of_each_kind(clock):
    load()

    jazz = Event.objects.get(name__startswith="Late Night Jazz")
    pottery = Event.objects.get(name="Pottery for Beginners")
    garden = Event.objects.get(name="Open Garden Day")
    assert (jazz.registration_state, jazz.registered_count) == ("full", 12)
    assert (pottery.registration_state, pottery.registered_count) == ("waitlist", 8)
    assert pottery.waitlist_count == 3
    assert (garden.registration_state, garden.max_capacity) == ("open", None)
    assert Event.objects.get(name="Charity Gala").registration_state == "draft"
    assert Event.objects.get(name="Harbour Regatta").registration_state == "cancelled"
    assert Event.objects.get(name="Harbour Regatta").registered_count == 5
    assert [event.name for event in Event.objects.past()] == ["First Steps in Django"]
    assert Event.objects.upcoming().count() == 33
    reef = Event.objects.get(name="Reef Snorkelling Weekend")
    assert (reef.max_party_size, reef.registered_count, reef.edited_since_import) == (4, 9, False)
    assert [question.key for question in questions_of(reef.form).all] == ["lunch", "fins", "swims"]


def test_one_sample_event_recurs(clock):
    load()

    series = Series.objects.get()
    events = series.events.order_by("start_time")
    assert (series.name, events.count()) == ("Sunrise Yoga by the Lake", 8)
    assert {wall_clock(event.start_time, event.zone).strftime("%H:%M") for event in events} == {
        "06:30"
    }
    assert {tuple(event.reminder_hours) for event in events} == {()}


def test_the_queue_is_in_the_order_of_the_file():
    load()

    waiting = Registration.objects.filter(event__name="Pottery for Beginners").waitlisted()
    listed = [line["name"] for line in sample_data._read("attendees.csv")]
    names = [registration.name for registration in waiting]
    assert len(names) == 3
    assert names == sorted(names, key=listed.index)


def test_dates_count_from_today_in_the_events_zone(clock):
    load()

    snorkelling = Event.objects.get(timezone="Australia/Lord_Howe")
    start = snorkelling.start_time.astimezone(snorkelling.zone)
    assert start.isoformat() == "2027-03-06T08:30:00+11:00"
    zones = set(Event.objects.values_list("timezone", flat=True))
    assert zones >= {
        "Asia/Kolkata", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
        "Pacific/Auckland",
    }  # fmt: skip


def test_the_past_event_was_attended(clock):
    load()

    past = Event.objects.get(name="First Steps in Django")
    attendees = past.registrations.all()
    assert past.end_time < NOW
    assert past.registered_count == attendees.count() == 15
    assert {attendee.registered_at for attendee in attendees} == {attendees[0].confirmed_at}
    assert all(attendee.registered_at < past.start_time for attendee in attendees)
    assert attendees.filter(checked_in_at=past.start_time).count() == 11


def test_the_past_event_has_a_rating(anyone):
    load()

    rated = anyone.get("/api/events/?when=past&name=Django").json()["results"][0]
    (feedback,) = anyone.get(f"/api/events/{rated['id']}/feedback/").json()["results"]

    assert (rated["average_rating"], rated["feedback_count"]) == (5.0, 1)
    assert feedback["author"]["username"] == "visitor"


def test_categories_are_those_of_a_new_installation():
    before = set(Category.objects.values_list("slug", flat=True))

    load()

    assert set(Category.objects.values_list("slug", flat=True)) == before
    assert not Event.objects.filter(category=None).exists()


def test_an_attendee_with_an_account_has_the_registrations_on_it():
    load()

    visitor = User.objects.get(email="visitor@example.com")
    assert visitor.registrations.count() == 8
    assert set(visitor.registrations.values_list("name", flat=True)) == {"Vera Visitor"}
    assert Registration.objects.filter(user=None).count() == 239


def test_the_files_refer_only_to_existing_keys():
    keys = {plan["key"] for plan in sample_data._read("events.csv")}
    organizers = {plan["organizer"] for plan in sample_data._read("events.csv")}
    attendees = sample_data._read("attendees.csv")

    attended = {key for attendee in attendees for key in attendee["attends"].split(";")}
    emails = [attendee["email"] for attendee in attendees]
    assert len(keys) == 27
    assert attended <= keys
    assert organizers <= {account.email for account in sample_data.ACCOUNTS}
    assert len(set(emails)) == len(emails) == 42
    assert all(email.endswith("@example.com") and email.isascii() for email in emails)


# --- Again --------------------------------------------------------------------------------------


def test_a_second_run_changes_nothing(clock):
    load()
    before = rows()
    clock.shift(3 * 24 * 3600)

    output = load()

    assert output == "The sample data is there already: nothing was changed.\n"
    assert rows() == before


def test_a_second_run_leaves_later_changes():
    load()
    cancel_registration(Registration.objects.filter(event__name="Open Garden Day").first())
    User.objects.get(email="demo@example.com").set_password("changed-it-myself")
    before = rows()

    load()

    assert rows() == before


def test_if_empty_loads_into_an_empty_database():
    load("--if-empty")

    assert Event.objects.count() == 34


def test_if_empty_leaves_a_database_with_an_event_alone(event):
    output = load("--if-empty")

    assert output == (
        "The database has events already; no sample data was loaded. For an account that may "
        "use the admin, run: .venv/bin/python manage.py createsuperuser\n"
    )
    assert list(Event.objects.all()) == [event]
    assert not User.objects.filter(email="demo@example.com").exists()


def test_if_empty_repeats_the_sample_logins_that_still_work():
    load()
    demo = User.objects.get(email="demo@example.com")
    demo.set_password("another-password-2027")
    demo.save()

    output = load("--if-empty")

    assert output.splitlines() == [
        "Sign in with one of the sample accounts:",
        "  ngaio@example.com    ngaio-password-2027      organizer",
        "  visitor@example.com  visitor-password-2027    attendee",
        "  admin@example.com    admin-password-2027      staff, for /admin/",
    ]


def test_events_named_after_a_weekday_start_on_it(clock):
    load()

    weekdays = {
        event.name: event.start_time.astimezone(event.zone).strftime("%A")
        for event in Event.objects.filter(series=None)
    }
    assert weekdays["Pottery for Beginners"] == "Saturday"
    assert weekdays["Reef Snorkelling Weekend"] == "Saturday"
    assert weekdays["Data Engineering Bootcamp"] == "Monday"
    yoga = Series.objects.get().events.all()
    assert {each.start_time.astimezone(each.zone).strftime("%A") for each in yoga} == {"Sunday"}


def test_sample_events_are_searchable_by_distance(anyone):
    load()

    nearby = anyone.get("/api/events/?near=52.52,13.40&radius=20").json()["results"]

    assert {event["name"] for event in nearby} == {"Pottery for Beginners", "Python at the Spree"}


def test_a_faulty_file_loads_nothing(monkeypatch):
    real = sample_data._read
    spoilt = {"timezone": "Asia/Kolkata", "category": "!"}
    monkeypatch.setattr(
        sample_data,
        "_read",
        lambda name: [plan | spoilt for plan in real(name)] if name == "events.csv" else [],
    )

    with pytest.raises(ImportRefused, match=r"events\.csv: line 2, category: "):
        sample_data.load_sample_data(known_passwords=True)

    assert not Event.objects.exists()
    assert not User.objects.exists()


# --- Starting over ------------------------------------------------------------------------------


def test_reset_asks_with_numbers_and_starts_over(monkeypatch, olga, ana):
    load()
    registered(EventFactory(organizer=olga))
    questions = answering(monkeypatch, connection.settings_dict["NAME"])

    output = load("--reset")

    database = connection.settings_dict["NAME"]
    assert questions == [f"Type the name of the database ({database}) to go on: "]
    assert f"This deletes ALL of these from the database {database!r}, for good:" in output
    assert "events: 35, " in output
    assert "feedback: 1, " in output
    assert "registrations: 248, " in output
    assert "sample accounts: 4\n" in output
    assert "Made 4 accounts, 34 events and 247 registrations." in output
    assert (Event.objects.count(), Registration.objects.count()) == (34, 247)
    assert User.objects.filter(pk__in=[olga.pk, ana.pk]).count() == 2
    assert Category.objects.filter(slug="conference").exists()


@pytest.mark.parametrize("answer", ["", "yes", "y"])
def test_any_other_answer_deletes_nothing(monkeypatch, event, answer):
    answering(monkeypatch, answer)

    assert refusal("--reset") == "Nothing was deleted."
    assert list(Event.objects.all()) == [event]


def test_no_answer_deletes_nothing(monkeypatch, event):
    def closed(question: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", closed)

    assert refusal("--reset") == "Nothing was deleted."
    assert list(Event.objects.all()) == [event]


def test_no_input_resets_without_a_question(monkeypatch, event):
    questions = answering(monkeypatch, "")

    load("--reset", "--no-input")

    assert questions == []
    assert not Event.objects.filter(pk=event.pk).exists()
    assert Event.objects.count() == 34


def test_an_empty_database_needs_no_question(monkeypatch):
    questions = answering(monkeypatch, "")

    load("--reset")

    assert questions == []
    assert Event.objects.count() == 34


@pytest.mark.parametrize("options", [["--reset"], ["--reset", "--no-input"]])
def test_reset_is_refused_in_production(production, event, options):
    assert refusal(*options) == (
        "--reset deletes every event and registration, and this looks like production: "
        "DATABASE_URL is set and DEBUG is off. Nothing was deleted. On a database that "
        "is for trying things out, run it with DEBUG=on."
    )
    assert list(Event.objects.all()) == [event]


def test_in_production_the_passwords_are_random(production, anyone):
    output = load()

    lines = [line.split() for line in output.splitlines()[2:]]
    assert [line[0] for line in lines] == [account.email for account in sample_data.ACCOUNTS]
    for account, line in zip(sample_data.ACCOUNTS, lines, strict=True):
        user = User.objects.get(email=account.email)
        assert not user.check_password(account.known_password)
        assert user.check_password(line[1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--no-input"], "--no-input goes with --reset only; there is no other question."),
        (["--reset", "--if-empty"], "Give --if-empty or --reset, not both."),
    ],
)
def test_options_that_do_not_fit_are_refused(event, options, message):
    assert refusal(*options) == message
    assert list(Event.objects.all()) == [event]
