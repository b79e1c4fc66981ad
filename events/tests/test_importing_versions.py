"""Calendars that are imported again: later versions, cancellations, and edits in between."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import Notification
from conftest import NOW
from events.importing import import_rows, read_ics
from events.models import Event, Series
from events.services import delete_event, edit_event, edit_series, publish_event
from events.tests.test_importing_calendars import COURSE, TALK, ics
from registrations.tests.factories import registered

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

START = datetime(2027, 3, 1, 17, tzinfo=UTC)


@pytest.fixture
def imported(olga):
    """Imports entries and returns the outcomes of their rows."""

    def run(*entries: str, head: str = "", **options) -> list[str]:
        table = read_ics(ics(*entries, head=head), organizer_zone=olga.timezone)
        report = import_rows(table.rows, olga, **options)
        assert [str(error) for error in report.errors] == []
        return [result.outcome for result in report.results]

    return run


def notes_of(olga, *entries: str) -> list[str]:
    table = read_ics(ics(*entries), organizer_zone=olga.timezone)
    return [note.reason for note in import_rows(table.rows, olga).notes]


def later(entry: str, sequence: int = 1) -> str:
    return f"{entry}SEQUENCE:{sequence}\n"


MOVED_TALK = later(TALK.replace("20270301T17", "20270302T17").replace("20270301T18", "20270302T18"))


def test_a_later_version_moves_its_event_and_notifies_attendees(imported):
    imported(TALK)
    event = Event.objects.get()
    registered(event)
    Notification.objects.all().delete()

    outcomes = imported(MOVED_TALK)

    event.refresh_from_db()
    assert outcomes == ["updated"]
    assert event.start_time == START + timedelta(days=1)
    assert event.end_time == START + timedelta(days=1, hours=1)
    assert (event.registered_count, event.import_sequence, event.sequence) == (1, 1, 1)
    assert list(Notification.objects.values_list("kind", flat=True)) == ["event_changed"]


@pytest.mark.parametrize("sequence", [0, 1])
def test_a_version_that_is_no_later_changes_nothing(imported, sequence):
    imported(later(TALK))

    assert imported(later(TALK.replace("A talk", "Other"), sequence)) == ["unchanged"]
    assert Event.objects.get().name == "A talk"


def test_each_later_version_is_applied_once(imported):
    imported(TALK)

    outcomes = [
        *imported(later(TALK.replace("A talk", "Second"))),
        *imported(later(TALK.replace("A talk", "Second"))),
        *imported(later(TALK.replace("A talk", "Third"), 7)),
    ]

    assert outcomes == ["updated", "unchanged", "updated"]
    assert Event.objects.get().name == "Third"


def test_an_event_that_was_edited_here_is_left(imported, olga):
    imported(TALK)
    edit_event(Event.objects.get(), {"description": "By hand"})

    notes = notes_of(olga, MOVED_TALK)

    assert notes == ["A later version was not imported: the event was edited here since."]
    assert Event.objects.get().start_time == START


def test_a_request_that_edits_is_an_edit_and_a_registration_is_not(imported, olga, signed_in):
    imported(TALK)
    event = Event.objects.get()
    registered(event)
    assert imported(MOVED_TALK) == ["updated"]

    signed_in(olga).patch(f"/api/events/{event.pk}/", {"max_capacity": 9}, format="json")

    assert imported(later(TALK, 2)) == ["unchanged"]


def test_publishing_is_no_edit_and_what_is_published_stays_so(imported):
    draft = TALK + "STATUS:TENTATIVE\n"
    imported(draft)
    publish_event(Event.objects.get())

    assert imported(later(draft.replace("A talk", "Renamed"))) == ["updated"]
    event = Event.objects.get()
    assert (event.name, event.status) == ("Renamed", "published")


def test_a_draft_is_published_when_its_entry_is_confirmed(imported):
    imported(TALK + "STATUS:TENTATIVE\n")

    imported(later(TALK) + "STATUS:CONFIRMED\n")

    assert Event.objects.get().status == "published"


def test_a_private_version_of_a_published_event_is_not_applied(imported, olga):
    imported(TALK)

    notes = notes_of(olga, later(TALK) + "CLASS:PRIVATE\nDESCRIPTION:secret\n")

    event = Event.objects.get()
    assert notes == ["The entry is private now; what is published stays as it is."]
    assert (event.status, event.description) == ("published", "")


@pytest.mark.parametrize(
    ("entry", "head"),
    [
        (later(TALK) + "STATUS:CANCELLED\n", ""),
        (TALK + "STATUS:CANCELLED\n", ""),
        (later(TALK), "METHOD:CANCEL\n"),
        ("UID:talk@example.org\nDTSTART:20270301T170000Z\n", "METHOD:CANCEL\n"),
    ],
)
def test_a_cancelled_entry_cancels_its_event_and_notifies_attendees(imported, entry, head):
    imported(TALK)
    event = Event.objects.get()
    registered(event)
    Notification.objects.all().delete()

    outcomes = imported(entry, head=head)

    event.refresh_from_db()
    assert outcomes == ["cancelled"]
    assert (event.status, event.cancelled_at) == ("cancelled", NOW)
    assert list(Notification.objects.values_list("kind", flat=True)) == ["event_cancelled"]


def test_a_cancellation_of_an_earlier_version_is_ignored(imported):
    imported(later(TALK, 5))

    assert imported(later(TALK, 4) + "STATUS:CANCELLED\n") == ["unchanged"]
    assert Event.objects.get().status == "published"


def test_a_cancellation_of_what_was_never_imported_makes_nothing(imported):
    outcomes = imported("UID:gone\nDTSTART:20270301T170000Z\n", head="METHOD:CANCEL\n")

    assert outcomes == ["cancelled"]
    assert not Event.objects.exists()


def test_a_cancelled_draft_is_cancelled(imported):
    imported(TALK + "STATUS:TENTATIVE\n")

    assert imported(later(TALK) + "STATUS:CANCELLED\n") == ["cancelled"]
    assert Event.objects.get().status == "cancelled"


def test_a_deleted_event_stays_deleted(imported):
    imported(TALK)
    delete_event(Event.objects.get())

    assert imported(MOVED_TALK) == ["unchanged"]
    assert not Event.objects.existing().exists()


def test_a_started_event_keeps_its_times(imported, olga, clock):
    imported(TALK)
    clock.move_to(START + timedelta(minutes=1))

    notes = notes_of(olga, MOVED_TALK.replace("A talk", "Renamed"))

    event = Event.objects.get()
    assert notes == ["The event has started; its times stay as they are."]
    assert (event.name, event.start_time) == ("Renamed", START)


def test_uids_are_compared_exactly(imported):
    assert imported(TALK) == ["created"]
    assert imported(TALK.replace("UID:talk", "UID:Talk")) == ["created"]


def test_a_dry_run_updates_nothing(imported):
    imported(TALK)

    assert imported(MOVED_TALK, dry_run=True) == ["updated"]
    event = Event.objects.get()
    assert (event.start_time, event.import_sequence) == (START, 0)
    assert not Notification.objects.exists()


# --- Series -------------------------------------------------------------------------------------


def starts() -> list[str]:
    events = Event.objects.existing().filter(status="published").order_by("start_time")
    return [f"{event.start_time:%m-%dT%H:%M}" for event in events]


def test_a_later_version_of_a_series_moves_its_occurrences(imported):
    imported(COURSE)
    second = Event.objects.get(start_time=START + timedelta(days=7))
    registered(second)

    outcomes = imported(later(COURSE.replace("T18", "T19").replace("T193000", "T203000")))

    second.refresh_from_db()
    assert outcomes == ["updated"]
    assert second.start_time == START + timedelta(days=7, hours=1)
    assert (second.status, second.registered_count) == ("published", 1)
    assert starts()[:2] == ["03-01T18:00", "03-08T18:00"]
    assert (Series.objects.count(), Event.objects.count()) == (1, 6)


def test_a_later_rule_of_a_series_adds_and_drops_occurrences(imported):
    imported(COURSE)

    imported(later(COURSE.replace("COUNT=6", "COUNT=3")))
    assert starts() == ["03-01T17:00", "03-08T17:00", "03-15T17:00"]

    imported(later(COURSE.replace("COUNT=6", "COUNT=4"), 2))
    assert starts() == ["03-01T17:00", "03-08T17:00", "03-15T17:00", "03-22T17:00"]


def test_a_series_that_was_edited_here_is_left(imported):
    imported(COURSE)
    edit_series(Series.objects.get(), {"description": "By hand"})

    assert imported(later(COURSE.replace("COUNT=6", "COUNT=3"))) == ["unchanged"]
    assert len(starts()) == 6


MOVE = (
    "UID:course@example.org\nRECURRENCE-ID;TZID=Europe/Berlin:20270308T180000\n"
    "DTSTART;TZID=Europe/Berlin:20270309T200000\nSUMMARY:On Tuesday\n"
)


def test_an_occurrence_is_moved_by_a_later_version(imported):
    imported(COURSE)
    event = Event.objects.get(start_time=START + timedelta(days=7))

    outcomes = imported(later(COURSE), later(MOVE))

    event.refresh_from_db()
    assert outcomes == ["updated"]
    assert (event.name, event.start_time) == ("On Tuesday", datetime(2027, 3, 9, 19, tzinfo=UTC))
    assert Event.objects.count() == 6


def test_an_occurrence_is_moved_by_an_entry_of_its_own(imported):
    imported(COURSE)

    assert imported(later(MOVE)) == ["updated"]
    assert starts()[1] == "03-09T19:00"
    assert imported(later(MOVE.replace("T20", "T21"), 2)) == ["updated"]
    assert starts()[1] == "03-09T20:00"
    assert Event.objects.count() == 6


def test_an_occurrence_that_was_moved_before_is_moved_again(imported):
    imported(COURSE, MOVE)

    imported(later(COURSE), later(MOVE.replace("T20", "T21")))

    assert starts()[1] == "03-09T20:00"
    assert Event.objects.count() == 6


def test_one_occurrence_is_cancelled(imported):
    imported(COURSE)
    event = Event.objects.get(start_time=START + timedelta(days=7))
    registered(event)

    outcomes = imported(
        "UID:course@example.org\nRECURRENCE-ID;TZID=Europe/Berlin:20270308T180000\n"
        "STATUS:CANCELLED\n"
    )

    event.refresh_from_db()
    assert (outcomes, event.status) == (["cancelled"], "cancelled")
    assert len(starts()) == 5


def test_a_cancelled_series_cancels_its_coming_occurrences(imported, clock):
    imported(COURSE)
    clock.move_to(START + timedelta(days=1))

    assert imported(later(COURSE), head="METHOD:CANCEL\n") == ["cancelled"]
    assert starts() == ["03-01T17:00"]
    assert Event.objects.filter(status="cancelled").count() == 5


def test_an_occurrence_that_was_edited_here_is_left(imported):
    imported(COURSE)
    event = Event.objects.get(start_time=START + timedelta(days=7))
    edit_event(event, {"name": "By hand"})

    imported(later(COURSE.replace("A course", "Renamed")), later(MOVE))

    event.refresh_from_db()
    assert (event.name, event.start_time) == ("By hand", START + timedelta(days=7))
    assert Event.objects.filter(name="Renamed").count() == 5


def test_dates_that_are_listed_follow_their_entry(imported):
    dates = TALK + "RDATE:20270305T170000Z\n"
    imported(dates)

    imported(later(dates.replace("A talk", "Renamed")) + "RDATE:20270307T170000Z\n")

    assert starts() == ["03-01T17:00", "03-05T17:00", "03-07T17:00"]
    assert set(Event.objects.values_list("name", flat=True)) == {"Renamed"}
