"""Tallies of answers agree with the answers after every change."""

from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from threading import Barrier

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from events.models import Event
from events.tests.factories import EventFactory
from registrations.forms.questions import TYPES
from registrations.models import AnswerTally, LedgerEntry, Registration, UncountedAnswers
from registrations.services import answer_tallies, cancel_registration, edit_registration
from registrations.services.answer_tallies import count_answers, events_with_wrong_tallies
from registrations.services.forms import put_form
from registrations.services.integrity import repair_counters
from registrations.services.retention import forget_old_answers, forget_old_data
from registrations.statistics.answers import answer_summary
from registrations.statistics.tallies import COUNTED, Tally, take_uncounted
from registrations.tests.factories import registered
from registrations.tests.test_answers import ALL, ANN, BOB, question

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

EACH = [{**each, "ask": "each_person"} for each in ALL]
KID = {"name": "Kid", "email": None, "answers": {"diet": "vegan"}}


@pytest.fixture
def event(event: Event) -> Event:
    """Ann and her child have answered, and their answers are counted. Bob's are not yet."""
    Event.objects.filter(pk=event.pk).update(max_party_size=3)
    put_form(event, EACH)
    registered(event, name="Ann", email="ann@example.com", party_size=2, answers=ANN, guests=[KID])
    count_answers()
    registered(event, name="Bob", email="bob@example.com", answers=BOB)
    return Event.objects.get(pk=event.pk)


def ann() -> Registration:
    return Registration.objects.get(email="ann@example.com")


def edit(**changes):
    return lambda event: edit_registration(ann(), **changes, by=event.organizer)


def queue(event: Event) -> None:
    Registration.objects.filter(pk=ann().pk).update(status="waitlisted", queue_number=1)


def delete(event: Event) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL registrations.ledger_purge = 'on'")
    LedgerEntry.objects.filter(event=event).delete()
    ann().delete()


CHANGES = {
    "nothing": lambda event: None,
    "a registration without answers": lambda event: registered(event, name="Eve"),
    "another answer": edit(answers={"diet": "any", "days": ["sat"]}),
    "an answer less": edit(answers={"diet": None}),
    "another guest": edit(guests=[{"name": "Max", "email": None, "answers": {"diet": "any"}}]),
    "no guests": edit(guests=[]),
    "another name": edit(name="Anna"),
    "a cancellation": lambda event: cancel_registration(ann()),
    "a place on the waitlist": queue,
    "an erasure": lambda event: Registration.objects.erase_people(),
    "a deletion": delete,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_tally_agrees_with_the_answers(event, change):
    change(event)

    assert list(events_with_wrong_tallies()) == []
    before = answer_summary(event)
    count_answers()
    assert not UncountedAnswers.objects.exists()
    assert list(events_with_wrong_tallies()) == []
    assert answer_summary(event) == before


def test_uncounted_answers_have_only_values_that_are_counted(event):
    put_form(event, [*EACH, *(question(type_, type_, "x", ask="each_person") for type_ in TYPES)])
    answers = dict.fromkeys(TYPES, "x") | {"choices": ["x"], "boolean": False}
    Registration.objects.filter(pk=ann().pk).update(
        answers=answers, guests=[{**KID, "answers": answers}]
    )
    Registration.objects.erase_people()

    kept = {type_: answers[type_] if type_ in COUNTED else True for type_ in TYPES}
    stored = UncountedAnswers.objects.filter(answers__has_key="country").order_by("pk")
    assert [row.answers for row in stored] == [kept] * 4
    assert [row.people for row in stored] == [1, 1, -1, -1]


def test_a_summary_reads_no_registration(event):
    with CaptureQueriesContext(connection) as queries:
        summary = answer_summary(event)

    assert not any("registrations_registration" in query["sql"] for query in queries)
    assert summary.responses == 2
    assert summary.questions["diet"] == {"answered": 3, "counts": {"vegan": 2, "any": 1}}


def test_another_form_is_counted_as_a_whole(event):
    size = question("size", "choice", "S", "M")
    event = put_form(event, [size, *EACH])
    registered(event, name="Zoe", answers={"size": "M"})

    for _ in range(2):
        assert answer_summary(event).questions["size"] == {
            "answered": 1,
            "counts": {"S": 0, "M": 1},
        }
        assert answer_summary(event).questions["diet"]["counts"] == {"vegan": 2, "any": 1}
        count_answers()
    assert AnswerTally.objects.get().form == event.form


def test_a_key_that_gets_another_type_has_its_own_counts(event):
    text = put_form(event, [*EACH, question("size", "text")])
    zoe = registered(text, name="Zoe", answers={"size": "M"})
    count_answers()
    edit_registration(zoe, answers={"size": None}, by=event.organizer)
    event = put_form(event, [*EACH, question("size", "choice", "S", "M")])
    edit_registration(zoe, answers={"size": "M"}, by=event.organizer)

    count_answers()

    assert answer_summary(event).questions["size"]["counts"] == {"S": 0, "M": 1}


# Tables, columns and functions of the statements that count.
NAMES_OF_SQL = [
    "answers", "answers_", "before", "columns", "count", "element", "event_id", "form", "given",
    "guest", "guests", "id", "json", "key", "number", "people", "person", "persons", "responses",
    "select", "status", "sum", "taken", "text", "user", "value", "values", "party_size", "KEY",
    "registrations_registration", "registrations_uncountedanswers", "jsonb_array_elements",
    "created_at", "sign", "counted", "questions", "type", "event", "new", "old", "keys", "Given-1",
]  # fmt: skip


def test_a_key_may_be_any_name(event):
    event = put_form(event, [*EACH, *(question(key, "choice", "x", "y") for key in NAMES_OF_SQL)])
    answers = dict.fromkeys(NAMES_OF_SQL, "x")
    once, twice = ({"answered": n, "counts": {"x": n, "y": 0}} for n in (1, 2))

    for name, expected in (("Zoe", once), ("Kim", twice)):
        registered(event, name=name, answers=answers)
        for _ in range(2):
            questions = answer_summary(event).questions
            assert {key: questions[key] for key in NAMES_OF_SQL} == dict.fromkeys(
                NAMES_OF_SQL, expected
            )
            count_answers()
    assert list(events_with_wrong_tallies()) == []


def test_a_form_that_changes_while_answers_are_counted_leaves_them_uncounted(
    event, monkeypatch, caplog
):
    def take_slowly(cursor, event: Event) -> Tally:
        put_form(event, [*EACH, question("size", "choice", "S", "M")])
        return take_uncounted(cursor, event)

    before = answer_summary(event)
    monkeypatch.setattr(answer_tallies, "take_uncounted", take_slowly)

    count_answers()

    assert not caplog.records
    assert UncountedAnswers.objects.exists()
    assert answer_summary(event) == before


def test_an_event_that_cannot_be_counted_leaves_the_others_alone(event, caplog):
    AnswerTally.objects.update(figures={"unknown": 1})
    other = put_form(EventFactory(organizer=event.organizer), EACH)

    count_answers()

    assert AnswerTally.objects.get(event=other).form == other.form
    assert UncountedAnswers.objects.filter(event_id=event.pk).exists()
    assert [record.getMessage() for record in caplog.records] == [
        f"the answers of event {event.pk} cannot be counted"
    ]


def test_answers_whose_time_is_over_are_not_counted(event):
    event = put_form(event, [{**EACH[0], "retention_days": 1}, *EACH[1:]])
    count_answers()

    forget_old_answers(event.end_time + timedelta(days=1))

    assert not UncountedAnswers.objects.exists()
    assert answer_summary(event).questions["diet"]["answered"] == 0
    assert answer_summary(event).questions["days"]["answered"] == 2


def test_purged_answers_leave_no_copy(event):
    forget_old_data(event.end_time + timedelta(days=1))

    assert not UncountedAnswers.objects.exists()
    assert answer_summary(event).responses == 0


def test_a_wrong_tally_is_reported_and_repaired(event):
    AnswerTally.objects.update(figures={"responses": 7, "answered": {}, "chosen": {}})

    with pytest.raises(CommandError, match="1 faults"):
        call_command("check_integrity")

    call_command("check_integrity", "--repair")
    count_answers()
    assert answer_summary(event).responses == 2


@pytest.mark.django_db(transaction=True)
def test_answers_that_are_committed_while_others_are_counted_count_once(event):
    answered, counted = Barrier(2, timeout=30), Barrier(2, timeout=30)

    def register_slowly() -> None:
        try:
            with transaction.atomic():
                registered(event, name="Zoe", answers={"diet": "vegan"})
                answered.wait()
                counted.wait()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        zoe = pool.submit(register_slowly)
        answered.wait()
        count_answers()
        assert answer_summary(event).questions["diet"]["answered"] == 3
        counted.wait()
        zoe.result()

    assert answer_summary(event).questions["diet"]["answered"] == 4
    assert list(events_with_wrong_tallies()) == []


@pytest.mark.django_db(transaction=True)
def test_a_repair_is_not_overwritten_by_a_count(event, monkeypatch):
    AnswerTally.objects.update(figures={"responses": 7, "answered": {}, "chosen": {}})
    repairs = []

    def repair() -> None:
        try:
            repair_counters(event.pk)
        finally:
            connection.close()

    def take_during_a_repair(cursor, event: Event) -> Tally:
        repairs.append(pool.submit(repair))
        while not (repairs[0].done() or locks_that_are_requested()):
            wait(repairs, timeout=0.01)
        return take_uncounted(cursor, event)

    monkeypatch.setattr(answer_tallies, "take_uncounted", take_during_a_repair)
    with ThreadPoolExecutor(1) as pool:
        count_answers()
        repairs[0].result()

    count_answers()

    assert answer_summary(event).responses == 2
    assert list(events_with_wrong_tallies()) == []


def locks_that_are_requested() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
            " WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()"
        )
        return int(cursor.fetchone()[0])
