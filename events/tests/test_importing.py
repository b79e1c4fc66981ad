"""Importing events: valid and invalid rows, their errors, and repeated imports."""

import csv
from contextlib import closing
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import User
from accounts.tests.factories import UserFactory
from config.api.files.csv_rows import ImportRefused, Row
from events.importing import FIELDS, import_rows, read_csv, rows
from events.models import Category, Event
from events.services import delete_event, edit_event
from events.tests.factories import EventFactory

pytestmark = pytest.mark.django_db

REAL_FILE = Path(__file__).parent / "data" / "conferences.csv"
GOOD = {"name": "Talk", "location": "Oslo", "start_time": "2027-03-15T09:00:00+01:00"}


class Terminal(StringIO):
    def isatty(self):
        return True


def csv_of(*rows: dict[str, str]) -> bytes:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def import_bytes(content: bytes, organizer: User, **options):
    return import_rows(read_csv(content).rows, organizer, **options)


def import_row(organizer: User, **cells: str) -> Event:
    """The one event of a good row that has `cells` besides."""
    report = import_bytes(csv_of(GOOD | cells), organizer)
    assert [str(error) for error in report.errors] == []
    return Event.objects.get()


def errors_of(content: bytes, organizer: User) -> list[str]:
    return [str(error) for error in import_bytes(content, organizer).errors]


def run(path: Path, *options: str, stderr=None) -> str:
    out = StringIO()
    call_command(
        "import_events",
        str(path),
        "--organizer",
        "olga@example.com",
        *options,
        stdout=out,
        stderr=stderr or StringIO(),
    )
    return out.getvalue()


def refusal(path: Path, *options: str) -> tuple[str, str]:
    """The lines of a command that ends with 1: on bad rows, and the last one."""
    lines = StringIO()
    with pytest.raises(CommandError) as refused:
        run(path, *options, stderr=lines)
    assert refused.value.returncode == 1
    return lines.getvalue(), str(refused.value)


def file_of(folder: Path, content: bytes) -> Path:
    path = folder / "events.csv"
    path.write_bytes(content)
    return path


def test_attendance_mode_of_a_row_is_derived_or_read(olga):
    link = "https://meet.example.com/1"
    content = (
        "name,location,start_time,meeting_url,attendance_mode\r\n"
        "Hall,Oslo,2027-03-15T09:00:00Z,,\r\n"
        f"Both,Oslo,2027-03-15T09:00:00Z,{link},\r\n"
        f"Call,,2027-03-15T09:00:00Z,{link},\r\n"
        "Chosen,Oslo,2027-03-15T09:00:00Z,,online\r\n"
    ).encode()

    import_bytes(content, olga)

    assert list(
        Event.objects.order_by("id").values_list(
            "name", "location", "attendance_mode", "is_attendance_mode_set"
        )
    ) == [
        ("Hall", "Oslo", "in_person", False),
        ("Both", "Oslo", "hybrid", False),
        ("Call", "Online", "online", False),
        ("Chosen", "Oslo", "online", True),
    ]


def test_row_in_person_with_a_link_alone_is_refused(olga):
    content = (
        b"name,location,start_time,meeting_url,attendance_mode\r\n"
        b"Call,,2027-03-15T09:00:00Z,https://meet.example.com/1,in_person\r\n"
    )

    report = import_bytes(content, olga)

    assert [error.column for error in report.errors] == ["location"]


# --- Real data ----------------------------------------------------------------------------------


def test_real_conferences_come_in_as_they_are(olga):
    report = import_bytes(REAL_FILE.read_bytes(), olga)

    with REAL_FILE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert (report.created, report.unchanged, report.refused) == (27, 0, 0)
    imported = Event.objects.values_list(
        "name", "description", "location", "start_time", "end_time", "timezone", "category__slug"
    )
    assert sorted(imported) == sorted(
        (
            row["name"].strip(),
            row["description"],
            row["location"],
            datetime.fromisoformat(row["start_time"]),
            datetime.fromisoformat(row["end_time"]),
            row["timezone"],
            row["category"],
        )
        for row in rows
    )


def test_accents_zones_and_dates_of_real_conferences_are_right(olga):
    import_bytes(REAL_FILE.read_bytes(), olga)

    wroclaw = Event.objects.get(name="wroc_love.rb")
    kathmandu = Event.objects.get(location="Kathmandu, Nepal")
    heise = Event.objects.get(name="c't <webdev>")
    assert wroclaw.location == "Wrocław, Poland"
    assert wroclaw.start_time == datetime(2014, 3, 14, 8, tzinfo=UTC)
    assert wroclaw.end_time == datetime(2014, 3, 16, 17, tzinfo=UTC)
    assert wroclaw.timezone == "Europe/Warsaw"
    assert kathmandu.start_time == datetime(2018, 9, 22, 3, 15, tzinfo=UTC)
    assert kathmandu.start_time.astimezone(kathmandu.zone).hour == 9
    assert heise.organizer == olga
    assert heise.status == "published"


def test_a_conference_listed_by_two_topics_is_two_rows(olga):
    import_bytes(REAL_FILE.read_bytes(), olga)

    listed = Event.objects.filter(name="Mobile Era").values_list("category__slug", flat=True)
    assert sorted(listed) == ["android", "ios"]


def test_imported_events_are_found_without_accents(olga, anyone):
    import_bytes(REAL_FILE.read_bytes(), olga)

    results = anyone.get("/api/events/?search=nurnberg&when=all").json()["results"]
    assert [event["name"] for event in results] == ["Developer Week Nürnberg"]


# --- Again --------------------------------------------------------------------------------------


def test_a_second_import_changes_nothing(olga):
    import_bytes(REAL_FILE.read_bytes(), olga)
    before = list(Event.objects.order_by("pk").values())

    report = import_bytes(REAL_FILE.read_bytes(), olga)

    assert (report.created, report.unchanged, report.refused) == (0, 27, 0)
    assert report.new_categories == []
    assert list(Event.objects.order_by("pk").values()) == before


def test_an_edited_or_deleted_event_stays_unchanged(olga):
    content = csv_of(GOOD, GOOD | {"name": "Walk"})
    import_bytes(content, olga)
    edit_event(Event.objects.get(name="Talk"), {"name": "Long talk"})
    delete_event(Event.objects.get(name="Walk"))

    report = import_bytes(content, olga)

    assert report.unchanged == 2
    assert sorted(Event.objects.values_list("name", flat=True)) == ["Long talk", "Walk"]
    assert list(Event.objects.existing().values_list("name", flat=True)) == ["Long talk"]


def test_the_same_row_twice_in_a_file_is_one_event(olga, monkeypatch):
    monkeypatch.setattr(rows, "BATCH_SIZE", 2)

    report = import_bytes(csv_of(GOOD, GOOD, GOOD), olga)

    assert (report.created, report.unchanged) == (1, 2)
    assert Event.objects.count() == 1


@pytest.mark.parametrize(
    "same",
    [
        {"name": "  TALK "},
        {"start_time": "2027-03-15T08:00:00Z"},
        {"end_time": "2027-03-16T09:00:00Z"},
        {"description": "Corrected"},
        {"max_capacity": "7"},
    ],
)
def test_a_row_is_known_by_what_identifies_it(olga, same):
    import_bytes(csv_of(GOOD), olga)

    report = import_bytes(csv_of(GOOD | same), olga)

    assert (report.created, report.unchanged) == (0, 1)


@pytest.mark.parametrize(
    "other",
    [
        {"name": "Walk"},
        {"start_time": "2028-03-15T09:00:00+01:00"},
        {"location": "Bergen"},
        {"category": "meetup"},
        {"url": "https://example.org"},
    ],
)
def test_a_row_that_says_something_else_is_another_event(olga, other):
    import_bytes(csv_of(GOOD), olga)

    report = import_bytes(csv_of(GOOD | other), olga)

    assert (report.created, report.unchanged) == (1, 0)


def test_accents_in_either_encoding_are_the_same_row(olga):
    import_bytes(csv_of(GOOD | {"name": "Zoe\u0308"}), olga)

    report = import_bytes(csv_of(GOOD | {"name": "Zo\u00eb"}), olga)

    assert report.unchanged == 1


def test_a_row_with_an_identity_is_known_by_that_alone(olga):
    import_rows([Row(1, GOOD, identity="42@example.org")], olga)

    report = import_rows([Row(1, GOOD | {"name": "Renamed"}, identity="42@example.org")], olga)

    assert (report.created, report.unchanged) == (0, 1)


def test_two_organizers_can_import_the_same_file(olga, max_):
    import_bytes(csv_of(GOOD), olga)

    report = import_bytes(csv_of(GOOD), max_)

    assert report.created == 1


# --- Times --------------------------------------------------------------------------------------


def test_a_time_without_offset_is_wall_clock_in_the_rows_zone(olga):
    event = import_row(
        olga,
        start_time="2027-07-01 09:30",
        end_time="2027-07-01T11:00:00",
        timezone="Asia/Kolkata",
    )

    assert event.start_time == datetime(2027, 7, 1, 4, 0, tzinfo=UTC)
    assert event.end_time == datetime(2027, 7, 1, 5, 30, tzinfo=UTC)
    assert event.timezone == "Asia/Kolkata"


def test_an_offset_wins_over_the_zone(olga):
    event = import_row(olga, start_time="2027-07-01T09:00:00-04:00", timezone="Asia/Kolkata")

    assert event.start_time == datetime(2027, 7, 1, 13, 0, tzinfo=UTC)
    assert event.timezone == "Asia/Kolkata"


def test_without_a_zone_the_organizers_counts(olga):
    event = import_row(olga, start_time="2027-07-01T09:00:00", timezone="")

    assert event.timezone == "Europe/Berlin"
    assert event.start_time == datetime(2027, 7, 1, 7, 0, tzinfo=UTC)


def test_without_an_end_it_lasts_an_hour(olga):
    event = import_row(olga, end_time="")

    assert event.end_time - event.start_time == timedelta(hours=1)


def test_a_time_that_occurs_twice_is_the_first(olga):
    event = import_row(olga, start_time="2027-10-31T02:30:00", timezone="Europe/Berlin")

    assert event.start_time == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)


def test_past_events_may_be_imported(olga):
    event = import_row(olga, start_time="1999-12-31T23:00:00Z")

    assert event.start_time == datetime(1999, 12, 31, 23, tzinfo=UTC)


# --- Other cells --------------------------------------------------------------------------------


def test_the_url_goes_into_the_description(olga):
    event = import_row(olga, description="Come all.", url="https://example.org/talk")

    assert event.description == "Come all.\n\nhttps://example.org/talk"


def test_a_url_that_the_description_has_is_not_repeated(olga):
    event = import_row(
        olga, description="See https://example.org/talk.", url="https://example.org/talk"
    )

    assert event.description == "See https://example.org/talk."


def test_a_url_alone_is_the_description(olga):
    event = import_row(olga, url="https://example.org/talk")

    assert event.description == "https://example.org/talk"


def test_optional_columns_are_taken(olga):
    event = import_row(
        olga,
        max_capacity="12",
        waitlist_enabled="yes",
        meeting_url="https://meet.example.org/x",
        status="draft",
        registration_opens_at="2027-01-01T00:00:00Z",
        registration_closes_at="2027-03-01T12:00:00",
        timezone="Europe/Oslo",
    )

    assert (event.max_capacity, event.waitlist_enabled, event.status) == (12, True, "draft")
    assert event.meeting_url == "https://meet.example.org/x"
    assert event.registration_opens_at == datetime(2027, 1, 1, tzinfo=UTC)
    assert event.registration_closes_at == datetime(2027, 3, 1, 11, tzinfo=UTC)


def test_empty_optional_cells_take_the_defaults(olga):
    empty = ["description", "category", "url", "max_capacity", "waitlist_enabled", "status"]

    event = import_row(olga, **dict.fromkeys(empty, ""))

    assert (event.description, event.category, event.max_capacity) == ("", None, None)
    assert (event.waitlist_enabled, event.status) == (False, "published")


@pytest.mark.parametrize(
    ("text", "slug", "name"),
    [
        ("python", "python", "Python"),
        ("tech-comm", "tech-comm", "Tech comm"),
        ("Machine Learning", "machine-learning", "Machine Learning"),
        ("ios", "ios", "iOS"),
        ("Música", "musica", "Música"),
    ],
)
def test_a_missing_category_is_made(olga, text, slug, name):
    event = import_row(olga, category=text)

    assert (event.category.slug, event.category.name) == (slug, name)


def test_an_existing_category_is_used_as_it_is(olga):
    existing, _ = Category.objects.update_or_create(
        slug="meetup", defaults={"name": "Get-together"}
    )

    event = import_row(olga, category="Meetup")

    assert event.category == existing
    assert event.category.name == "Get-together"


def test_a_bad_row_makes_no_category(olga):
    content = csv_of(GOOD, GOOD | {"name": "", "category": "nonsense"})

    import_bytes(content, olga, skip_errors=True)

    assert not Category.objects.filter(slug="nonsense").exists()


# --- Bad rows -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "error"),
    [
        ({"name": " "}, "name: The cell is empty."),
        ({"name": "n" * 201}, "name: Ensure this field has no more than 200 characters."),
        ({"name": "a\x00b"}, "name: Use no line breaks or control characters."),
        ({"description": "a\x00b"}, "description: Null characters are not allowed."),
        ({"name": "two\nlines"}, "name: Use no line breaks or control characters."),
        ({"location": ""}, "location: The cell is empty."),
        ({"location": "l" * 256}, "location: Ensure this field has no more than 255 characters."),
        (
            {"description": "d" * 10_001},
            "description: Ensure this field has no more than 10000 characters.",
        ),
        (
            {"description": "d" * 9_990, "url": "https://example.org"},
            "url: The description becomes too long with it.",
        ),
        ({"start_time": ""}, "start_time: The cell is empty."),
        (
            {"start_time": "15.03.2027"},
            "start_time: Send a date and time such as 2027-03-15T09:00:00Z or 2027-03-15T14:30:00.",
        ),
        (
            {"start_time": "2027-02-30T09:00:00Z"},
            "start_time: Send a date and time such as 2027-03-15T09:00:00Z or 2027-03-15T14:30:00.",
        ),
        ({"start_time": "1066-10-14T09:00:00Z"}, "start_time: Choose a year from 1900 on."),
        ({"end_time": "2027-03-15T08:00:00Z"}, "end_time: The end must be after the start."),
        (
            {"start_time": "2027-03-28T02:30:00", "timezone": "Europe/Berlin"},
            "start_time: The clocks in Europe/Berlin skip this time.",
        ),
        (
            {"end_time": "2027-03-28T02:30:00", "timezone": "Europe/Berlin"},
            "end_time: The clocks in Europe/Berlin skip this time.",
        ),
        (
            {"timezone": "Europe/Atlantis"},
            "timezone: Name a zone of the IANA database, such as Europe/Berlin.",
        ),
        ({"category": "音楽"}, "category: Use a name that has 1 to 50 letters a to z or digits."),
        ({"status": "cancelled"}, "status: Write published or draft."),
        (
            {"max_capacity": "0"},
            "max_capacity: Ensure this value is greater than or equal to 1.",
        ),
        ({"max_capacity": "many"}, "max_capacity: Send a whole number."),
        ({"waitlist_enabled": "perhaps"}, "waitlist_enabled: Write true or false."),
        (
            {"registration_opens_at": "2027-04-01T00:00:00Z"},
            "registration_opens_at: Open it before the start.",
        ),
    ],
)
def test_a_bad_cell_is_reported_by_line_and_column(olga, cells, error):
    content = csv_of(GOOD, GOOD | {"name": "Other"} | cells)

    assert errors_of(content, olga) == [f"line 3, {error}"]
    assert not Event.objects.exists()


def test_every_bad_cell_of_every_bad_row_is_reported(olga):
    content = csv_of(
        GOOD | {"timezone": "Mars/Base"},
        GOOD | {"name": "", "location": "", "start_time": "soon", "timezone": "Moon/Sea"},
        GOOD,
        GOOD | {"end_time": "late", "meeting_url": "javascript:alert(1)"},
    )

    report = import_bytes(content, olga)

    assert report.refused == 3
    assert [(error.line, error.column) for error in report.errors] == [
        (2, "timezone"),
        (3, "name"),
        (3, "location"),
        (3, "start_time"),
        (3, "timezone"),
        (5, "end_time"),
        (5, "meeting_url"),
    ]


def test_lines_are_counted_as_an_editor_does(olga):
    content = (
        b"\n"
        b"name,description,location,start_time\r\n"
        b'"Talk","three\r\nlines\r\nlong",Oslo,2027-03-15T09:00:00Z\r\n'
        b"\r\n"
        b",,,\r\n"
        b',"two\nlines",Oslo,2027-03-15T09:00:00Z\r\n'
        b"Walk,,Oslo,never\n"
    )

    errors = import_bytes(content, olga).errors

    assert [(error.line, error.column) for error in errors] == [(8, "name"), (10, "start_time")]


def test_a_row_that_is_too_long_is_refused(olga):
    assert errors_of(b"name,location,start_time\nTalk,Oslo,2027,x,y\n", olga) == [
        (
            "line 2: The row has 5 cells, the first line names 3 columns. "
            "Look for a separator too many, or a missing quote."
        )
    ]


def test_a_short_row_has_empty_cells(olga):
    content = b"name,location,start_time\nTalk,Oslo\n"

    assert errors_of(content, olga) == ["line 2, start_time: The cell is empty."]


def test_a_stray_quote_is_reported_and_the_next_rows_are_read(olga):
    content = b'name,location,start_time\n"Talk" one,Oslo,2027-03-15T09:00:00Z\nWalk,Oslo,never\n'

    assert errors_of(content, olga)[0] == (
        'line 2: A quote is not closed, or one inside a cell is not written as "".'
    )
    assert errors_of(content, olga)[1].startswith("line 3, start_time: ")


def test_a_quote_that_never_closes_is_reported_at_its_line(olga):
    content = (
        b"name,location,start_time\n"
        b"Talk,Oslo,2027-03-15T09:00:00Z\n"
        b'"Walk,Oslo,2027-03-15T09:00:00Z\n'
        b"Run,Oslo,2027-03-15T09:00:00Z\n"
    )

    assert errors_of(content, olga) == [
        (
            'line 3: A quote is not closed, or one inside a cell is not written as "". '
            "The row was read up to line 4."
        )
    ]


# --- Files that cannot be read ------------------------------------------------------------------

KNOWN = ", ".join((*FIELDS, "title", "capacity"))
HOW = "The first line must name these; it names"
NOT_UTF8 = (
    'Line 3 is not UTF-8. Save the file as UTF-8 (in a spreadsheet: "CSV UTF-8"), or name its '
    "charset, as in Content-Type: text/csv; charset=windows-1252."
)
NOT_CSV = (
    "From line 2 on the file cannot be read as CSV, "
    "most likely since a quote that opens there is not closed."
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", f"The file is empty. Its first line must name the columns: {KNOWN}."),
        (b"\n \n", f"The file is empty. Its first line must name the columns: {KNOWN}."),
        (
            b"name,place,start_time,price\n",
            f"Missing columns: location. {HOW} name, place, start_time, price.",
        ),
        (
            b"Talk,Oslo,2027-03-15T09:00:00Z\n",
            f"Missing columns: name, location, start_time. {HOW} Talk, Oslo, 2027-03-15T09:00:00Z.",
        ),
        (
            b"name,description\n",
            f"Missing columns: start_time. {HOW} name, description.",
        ),
        (
            b"name,name,location,start_time\n",
            "Columns that occur twice: name. Remove one each.",
        ),
        (
            "name,location,start_time\nTalk,Oslo,2027\nFête,Nîmes,2027\n".encode("latin-1"),
            NOT_UTF8,
        ),
        (
            b'name,location,start_time\n"' + b"x" * 200_000 + b"\n",
            NOT_CSV,
        ),
    ],
    ids=[
        "empty", "blank", "unknown", "headless", "missing", "twice", "latin", "huge",
    ],
)  # fmt: skip
def test_an_unreadable_file_is_refused_with_what_to_do(olga, tmp_path, content, message):
    path = file_of(tmp_path, content)

    lines, refused = refusal(path)

    assert refused == f"{path}: {message}"
    assert lines == ""


def test_rows_before_a_fault_are_not_saved(olga):
    content = csv_of(GOOD) + b"F\xeate,Oslo,2027-03-15T09:00:00Z\n"

    with pytest.raises(ImportRefused):
        import_bytes(content, olga, skip_errors=True)

    assert not Event.objects.exists()


def test_a_byte_order_mark_is_skipped(olga):
    report = import_bytes(b"\xef\xbb\xbf" + csv_of(GOOD), olga)

    assert report.created == 1


def test_column_names_may_have_capitals_and_spaces_around(olga):
    report = import_bytes(b" Name ,LOCATION,Start_Time\nTalk,Oslo,2027-03-15T09:00:00Z\n", olga)

    assert report.created == 1


def test_a_file_with_old_line_endings_is_read(olga):
    report = import_bytes(csv_of(GOOD, GOOD | {"name": "Walk"}).replace(b"\r\n", b"\r"), olga)

    assert report.created == 2


def test_a_missing_file_is_reported(olga, tmp_path):
    _, refused = refusal(tmp_path / "nothing.csv")

    assert refused == f"Cannot read {tmp_path / 'nothing.csv'}: No such file or directory."


# --- The command --------------------------------------------------------------------------------


def test_the_command_tells_what_it_did(olga, tmp_path):
    EventFactory(organizer=olga)
    path = file_of(tmp_path, csv_of(GOOD, GOOD, GOOD | {"name": "Walk", "category": "hikes"}))

    output = run(path)

    assert output == ("3 rows: 2 created, 1 already there, 0 bad.\nNew categories: hikes.\n")
    assert Event.objects.count() == 3


def test_one_bad_row_and_nothing_is_imported(olga, tmp_path):
    path = file_of(tmp_path, csv_of(GOOD | {"category": "hikes"}, GOOD | {"location": ""}))

    lines, refused = refusal(path)

    assert lines == "line 3, location: The cell is empty.\n"
    assert refused == (
        "1 row is bad, so nothing was imported. "
        f"Correct {path}, or import the others with --skip-errors."
    )
    assert not Event.objects.exists()
    assert not Category.objects.filter(slug="hikes").exists()


def test_with_skip_errors_the_good_rows_go_in(olga, tmp_path):
    path = file_of(tmp_path, csv_of(GOOD | {"location": ""}, GOOD, GOOD | {"end_time": "?"}))

    lines, refused = refusal(path, "--skip-errors")

    assert [line.split(":")[0] for line in lines.splitlines()] == [
        "line 2, location", "line 4, end_time"
    ]  # fmt: skip
    assert refused == (
        f"2 rows are bad and left out; the others are in. Correct {path} and import it again."
    )
    assert [event.name for event in Event.objects.all()] == ["Talk"]


def test_a_dry_run_reports_the_same_and_writes_nothing(olga, tmp_path):
    path = file_of(tmp_path, csv_of(GOOD, GOOD, GOOD | {"name": "Walk", "category": "hikes"}))

    output = run(path, "--dry-run")

    assert output == (
        "3 rows: 2 would be created, 1 already there, 0 bad.\n"
        "New categories: hikes.\n"
        "This was a dry run: nothing was written.\n"
    )
    assert not Event.objects.exists()
    assert not Category.objects.filter(slug="hikes").exists()


def test_a_dry_run_tells_bad_rows(olga, tmp_path):
    path = file_of(tmp_path, csv_of(GOOD, GOOD | {"location": ""}))

    lines, refused = refusal(path, "--dry-run", "--skip-errors")

    assert lines == "line 3, location: The cell is empty.\n"
    assert refused == f"1 row is bad. Correct {path}, or import the others with --skip-errors."
    assert not Event.objects.exists()


def test_an_unknown_organizer_is_reported(tmp_path):
    _, refused = refusal(file_of(tmp_path, csv_of(GOOD)))

    assert refused == (
        "No account has the address olga@example.com. Check it, or let the organizer sign up first."
    )


def test_without_an_organizer_they_are_the_only_superusers(olga, tmp_path):
    path = file_of(tmp_path, csv_of(GOOD))
    with pytest.raises(CommandError, match="--organizer"):
        call_command("import_events", str(path))
    root = UserFactory(is_superuser=True)

    call_command("import_events", str(path), stdout=StringIO())

    assert Event.objects.get().organizer == root
    UserFactory(is_superuser=True)
    with pytest.raises(CommandError, match="--organizer"):
        call_command("import_events", str(path))


def test_an_attendee_cannot_be_the_organizer(tmp_path):
    UserFactory(username="olga", role=User.Role.ATTENDEE)

    _, refused = refusal(file_of(tmp_path, csv_of(GOOD)))

    assert refused == (
        "The account olga@example.com has the role attendee. "
        "Give it the role organizer first, in the admin or with PATCH /api/me/."
    )


def test_a_deactivated_account_cannot_be_the_organizer(tmp_path):
    UserFactory(username="olga", is_active=False)

    _, refused = refusal(file_of(tmp_path, csv_of(GOOD)))

    assert refused == "The account olga@example.com is not active. Choose another one."


def test_the_organizers_address_may_have_capitals(olga, tmp_path):
    path = file_of(tmp_path, csv_of(GOOD))

    call_command("import_events", str(path), organizer=" Olga@Example.com", stdout=StringIO())

    assert Event.objects.get().organizer == olga


def test_a_terminal_shows_a_bar(olga):
    terminal = Terminal()

    run(REAL_FILE, stderr=terminal)

    assert f"[{'#' * 40}] 100%" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r")


def test_a_log_shows_no_bar(olga):
    log = StringIO()

    run(REAL_FILE, stderr=log)

    assert log.getvalue() == ""


def test_an_import_takes_few_statements_however_many_rows(olga, django_assert_max_num_queries):
    rows = [GOOD | {"name": f"Talk {number}", "category": "talks"} for number in range(400)]
    content = csv_of(*rows)

    with django_assert_max_num_queries(15):
        report = import_bytes(content, olga)

    assert report.created == 400


def test_two_imports_of_one_organizer_do_not_run_at_once(olga):
    other = connection.copy()
    with closing(other), other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtext('events.importing'), %s)", [olga.pk])

        with pytest.raises(ImportRefused) as refused:
            import_bytes(csv_of(GOOD), olga)

        cursor.execute("SELECT pg_advisory_unlock_all()")  # a closed connection takes a moment

    assert str(refused.value) == (
        "Another import for olga@example.com is running; wait until it has ended."
    )
    assert import_bytes(csv_of(GOOD), olga).created == 1


def test_the_wall_clock_time_of_a_row_survives_a_change_of_offset(olga):
    event = import_row(
        olga,
        start_time="2027-10-30T09:00:00",
        end_time="2027-11-01T09:00:00",
        timezone="Europe/Berlin",
    )

    zone = ZoneInfo("Europe/Berlin")
    assert event.start_time.astimezone(zone).hour == event.end_time.astimezone(zone).hour == 9
    assert event.end_time - event.start_time == timedelta(hours=49)
