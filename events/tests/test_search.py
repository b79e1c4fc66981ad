"""Search beyond the basics of `test_lists`: levels, notation, corrections, pages, any input."""

import re
from datetime import timedelta
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.api.pagination.keyset import Cursor
from conftest import NOW
from events.models import Event, SearchWord
from events.search import page_planner, query, suggestions
from events.search.spelling import edit_distance
from events.services import count_words
from events.tests.factories import CategoryFactory, EventFactory
from events.tests.test_lists import names, walk

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

no_limits = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(params=["uncounted", "few", "many"])
def strategy(request, monkeypatch):
    """Selects each strategy by the word counts. Call it after the events are created."""
    if request.param == "many":
        monkeypatch.setattr(page_planner, "MAX_GATHERED", 0)
        monkeypatch.setattr(suggestions, "MAX_GATHERED", -1)
        monkeypatch.setattr(suggestions, "SOONEST_EVENTS", 0)
    return count_words if request.param != "uncounted" else lambda: None


def event_in(days: float, **fields) -> Event:
    return EventFactory(start_time=NOW + timedelta(days=days), **fields)


# --- matches ---


@pytest.fixture
def library(olga) -> None:
    meetup = CategoryFactory(slug="meetup")
    event_in(
        1, organizer=olga, name="Open Data Day", description="The data is open", location="Rom"
    )
    event_in(2, organizer=olga, name="Data, an open question", location="Straße 5")
    event_in(3, organizer=olga, name="Jazz Night", location="Łódź", category=meetup)
    event_in(4, organizer=olga, name="Node.js und Kubernetes", location="Hôtel de Ville")


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("open data", ["Open Data Day", "Data, an open question"]),
        ('"open data"', ["Open Data Day"]),
        ("“open data”", ["Open Data Day"]),
        ('"data is open" day', ["Open Data Day"]),
        ('"data question"', []),
        ("data -day", ["Data, an open question"]),
        ('data -"open data"', ["Data, an open question"]),
        ("data -d", ["Open Data Day", "Data, an open question"]),
        ('"open data', ["Open Data Day", "Data, an open question"]),
        ("data -", ["Open Data Day", "Data, an open question"]),
        ("-data", ["Jazz Night", "Node.js und Kubernetes"]),
        ("lodz", ["Jazz Night"]),
        ("strasse", ["Data, an open question"]),
        ("node.js", ["Node.js und Kubernetes"]),
        ("kubernets", ["Node.js und Kubernetes"]),
        ("jaxz", ["Jazz Night"]),
        ("jzaz", ["Jazz Night"]),
        ("jizz", ["Jazz Night"]),
        ("zazj", []),
        ("nihgt", ["Jazz Night"]),
        ("hotle jazz", []),
        ("meetpu", ["Jazz Night"]),
        ("'", []),
        ("&", []),
        ("--", []),
        ("-", []),
        ('""', []),
        ("\\", []),
        ("data:*", ["Open Data Day", "Data, an open question"]),
        ("data | jazz", []),
        ("! data", ["Open Data Day", "Data, an open question"]),
    ],
)
def test_search_accepts_common_notation(anyone, strategy, text, expected):
    strategy()

    assert names(anyone, f"?search={quote(text)}") == expected


def test_matches_are_sorted_by_match_level(anyone, olga, strategy):
    festival = CategoryFactory(slug="jazz-festival")
    event_in(1, organizer=olga, name="In passing", description="There will be jazz.")
    event_in(2, organizer=olga, name="In Jazzland", location="Jazz Club")
    event_in(3, organizer=olga, name="By kind", category=festival)
    event_in(4, organizer=olga, name="At home", location="Jazz Club")
    event_in(5, organizer=olga, name="Jazzy")
    event_in(6, organizer=olga, name="All that jazz")
    event_in(7, organizer=olga, name="Nothing")
    expected = ["All that jazz", "In Jazzland", "Jazzy", "By kind", "At home", "In passing"]
    strategy()

    assert names(anyone, "?search=jazz") == expected
    pages = walk(anyone, "/api/events/?search=jazz&page_size=2")
    assert [event["name"] for event in pages] == expected


def test_a_word_with_digits_is_never_corrected(anyone, olga):
    EventFactory(organizer=olga, name="Fair 20271")

    assert names(anyone, "?search=20272") == []


def test_only_the_nearest_words_are_corrections(anyone, olga):
    EventFactory(organizer=olga, name="Pilates")
    EventFactory(organizer=olga, name="Pirates")
    EventFactory(organizer=olga, name="Private views")

    assert names(anyone, "?search=pirats") == ["Pirates"]


@pytest.mark.parametrize(
    ("one", "other", "edits"),
    [("", "", 0), ("a", "", 1), ("ab", "ba", 1), ("abc", "cba", 2), ("jazz", "jzaz", 1)],
)
def test_edit_distance_counts_edits_in_both_directions(one, other, edits):
    assert edit_distance(one, other) == edit_distance(other, one) == edits


# --- the vocabulary ---


def test_counting_words_leaves_one_row_of_each_word(olga):
    EventFactory(organizer=olga, name="Jazz", location="Rom", description="jazz and more")
    renamed = EventFactory(organizer=olga, name="Polka", location="Rom")
    SearchWord.objects.create(word="jazz")
    count_words()
    counted = dict(SearchWord.objects.values_list("word", "in_texts"))
    assert counted == {"jazz": 1, "rom": 2, "and": 1, "more": 1, "polka": 1}
    assert SearchWord.objects.get(word="rom").in_names == 0
    assert SearchWord.objects.get(word="rom").in_headings == 2

    Event.objects.filter(pk=renamed.pk).update(name="Waltz")
    count_words()

    assert SearchWord.objects.get(word="polka").in_texts == 0
    assert SearchWord.objects.get(word="waltz").in_names == 1
    EventFactory(organizer=olga, name="Polka again")
    assert SearchWord.objects.filter(word="polka", in_texts=None).count() == 1


def test_words_of_no_event_are_not_corrections(anyone, olga):
    event = EventFactory(organizer=olga, name="Polka")
    Event.objects.filter(pk=event.pk).update(name="Folk")
    count_words()

    assert names(anyone, "?search=polca") == []


# --- headlines ---


def test_a_headline_marks_the_matches(anyone, olga):
    EventFactory(
        organizer=olga,
        name="Café <b>littéraire</b>",
        location="Café de Flore",
        description="& " * 200 + "Un grand café au lait " + "et plus " * 100,
    )

    item = anyone.get("/api/events/?search=cafe&highlight=true").json()["results"][0]

    name, location, description = item["headline"].split(" · ")
    assert name == "<mark>Café</mark> &lt;b&gt;littéraire&lt;/b&gt;"
    assert location == "<mark>Café</mark> de Flore"
    assert "Un grand <mark>café</mark> au lait et plus" in description
    assert description.startswith("… &amp; ")
    assert description.endswith("plus …")
    assert len(description) < 500


def test_a_headline_marks_corrections_and_phrases(anyone, olga):
    EventFactory(organizer=olga, name="Open data with Python")

    def headline(text: str) -> str:
        page = anyone.get(f"/api/events/?search={quote(text)}&highlight=true").json()
        return page["results"][0]["headline"]

    assert headline("pyhton") == "Open data with <mark>Python</mark>"
    assert headline('"open data"') == "<mark>Open</mark> <mark>data</mark> with Python"


def test_without_highlight_or_search_there_is_no_headline(anyone, event):
    assert "headline" not in anyone.get("/api/events/").json()["results"][0]
    item = anyone.get("/api/events/?highlight=true").json()["results"][0]
    assert item["headline"] is None
    assert anyone.get("/api/events/?highlight=perhaps").status_code == 400


# --- pages ---

WORDS = ("jazz", "rock", "polka", "swing")


@pytest.mark.parametrize("query", ["", "&ordering=start_time", "&ordering=-name", "&name=o"])
@pytest.mark.parametrize("text", ["jazz", "jazz rock", "ja po", "sw ro -jazz"])
def test_pages_have_each_match_once_by_every_strategy(
    anyone, olga, strategy, monkeypatch, text, query
):
    monkeypatch.setattr(page_planner, "MAX_WALKED", 7)
    monkeypatch.setattr(page_planner, "MAX_WALKED_FAR", 14)
    monkeypatch.setattr(page_planner, "MAX_RARE_MATCHES", 1)
    for number in range(40):
        one, two, three = (WORDS[number // step % 4] for step in (1, 4, 3))
        event_in(
            1 + number % 5,
            organizer=olga,
            name=f"{one} {two[:2]} {WORDS[number % 3] if number > 25 else ''}",
            location=two,
            description=three,
        )
    strategy()
    path = f"/api/events/?search={text}{query}"
    everything = [row["id"] for row in walk(anyone, f"{path}&page_size=100")]
    required = [word for word in text.split() if word[0] != "-"]

    def level(event: Event) -> int | None:
        name = event.name.split()
        all_words = [*name, event.location, event.description]
        if "-jazz" in text and "jazz" in all_words:
            return None
        scopes = [name, [*name, event.location], all_words]
        if all(word in name for word in required):
            return 0
        for number, words in enumerate(scopes, start=1):
            if all(any(each.startswith(word) for each in words) for word in required):
                return number
        return None

    expected = {event.pk: level(event) for event in Event.objects.all()}
    if "name=" in query:
        expected = {
            pk: each for pk, each in expected.items() if "o" in Event.objects.get(pk=pk).name
        }
    expected = {pk: each for pk, each in expected.items() if each is not None}
    assert set(everything) == set(expected)
    assert len(expected) > 3
    if "ordering" not in query:
        assert [expected[pk] for pk in everything] == sorted(expected.values())

    pages = []
    link = f"{path}&page_size=3"
    while link:
        pages.append(anyone.get(link).json())
        link = pages[-1]["next"]

    assert [row["id"] for page in pages for row in page["results"]] == everything
    back = pages[-1]
    for page in reversed(pages[:-1]):
        back = anyone.get(back["previous"]).json()
        assert back["results"] == page["results"]
    assert anyone.get(f"{path}&count=true").json()["count"] == len(everything)


@pytest.mark.parametrize("text", ["quetzalcoaty", "fiesta jazz"])
@pytest.mark.parametrize("hidden", [{"status": "draft"}, {"deleted_at": NOW}])
def test_words_of_drafts_and_deleted_events_are_not_corrections(
    anyone, olga, strategy, hidden, text
):
    """Cursors contain the corrections, and results depend on them."""
    for name in ("Quetzalcoatx fair", "Quetzalcoatx day", "Fiestx jazz", "Fiestx jazz jaza"):
        event_in(1, organizer=olga, name=name)
    strategy()

    def first_page() -> tuple:
        body = anyone.get("/api/events/", {"search": text, "page_size": 1}).json()
        note = Cursor.decode(parse_qs(urlsplit(body["next"]).query)["cursor"][0]).note
        return body["results"][0]["name"], note

    before = first_page()
    event_in(1, organizer=olga, name="Quetzalcoatl Fiestamara", **hidden)
    strategy()

    assert first_page() == before


def test_later_pages_keep_the_corrections_of_the_first(anyone, olga):
    EventFactory.create_batch(4, organizer=olga, name="Python")
    path = "/api/events/?search=pyhton&page_size=2"
    first = anyone.get(path).json()
    EventFactory(organizer=olga, name="Pyhton", start_time=NOW + timedelta(days=300))

    rows = first["results"] + walk(anyone, first["next"])

    assert [row["name"] for row in rows] == ["Python"] * 4 + ["Pyhton"]
    assert names(anyone, "?search=pyhton") == ["Pyhton"]


# --- any input ---


@no_limits
@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60))
def test_search_never_fails(anyone, text):
    response = anyone.get("/api/events/", {"search": text, "highlight": "true"})

    has_nul = "\x00" in text
    assert response.status_code == (400 if has_nul else 200), response.content


@no_limits
@given(
    text=st.text(alphabet="ab'\"-\\:*&|!()<> \t%_éß東㍿ﬁ0.", max_size=40),
    name=st.text(alphabet="ab'\"%_\\é", max_size=5),
)
def test_search_never_fails_on_special_characters(anyone, olga, text, name):
    if not Event.objects.exists():
        EventFactory(organizer=olga, name='ab b\'a-a "b" 東 ﬁ', description="a%_b\\")
    response = anyone.get("/api/events/", {"search": text, "name": name, "highlight": "true"})

    assert response.status_code == 200, response.content


@pytest.mark.parametrize("text", ["a" * 5000, "a " * 2000, '"' + "a " * 999 + '"', "東" * 3000])
def test_long_searches_are_cut(anyone, event, text):
    assert names(anyone, f"?search={text}") == []


def test_new_words_do_not_block_other_writers(olga):
    """With a unique index, a writer would block until another one commits the same new word."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_index WHERE indrelid = 'events_searchword'::regclass"
            " AND indisunique AND NOT indisprimary"
        )
        assert cursor.fetchone() == (0,)


# --- suggestions ---


def suggestions_for(client, text: str) -> list[str]:
    response = client.get("/api/events/suggest/", {"q": text})
    assert response.status_code == 200, response.content
    return response.json()["results"]


def test_suggestions_are_names_of_published_upcoming_events(anyone, olga, strategy):
    event_in(3, organizer=olga, name="Python Conference")
    event_in(1, organizer=olga, name="Learn Python")
    event_in(2, organizer=olga, name="Learn Python")
    event_in(2, organizer=olga, name="Snakes", description="A python!")
    event_in(2, organizer=olga, name="Python drafts", status="draft")
    event_in(2, organizer=olga, name="Python off", status="cancelled")
    event_in(2, organizer=olga, name="Python deleted", deleted_at=NOW)
    event_in(-9, organizer=olga, name="Python past", end_time=NOW - timedelta(days=8))
    strategy()

    assert suggestions_for(anyone, "pyth") == ["Python Conference", "Learn Python"]
    assert suggestions_for(anyone, "python con") == ["Python Conference"]
    assert suggestions_for(anyone, "pyhton") == ["Learn Python", "Python Conference"]
    assert suggestions_for(anyone, "drafts") == []
    assert suggestions_for(anyone, " ") == suggestions_for(anyone, "-python") == []


def test_suggestions_take_the_notation_of_search(anyone, olga, strategy):
    event_in(1, organizer=olga, name="Open Data Day", location="Rom")
    event_in(2, organizer=olga, name="Data, an open question", location="Oslo")
    strategy()

    assert suggestions_for(anyone, '"open data"') == ["Open Data Day"]
    assert suggestions_for(anyone, '"data open"') == []
    assert suggestions_for(anyone, "data -day") == ["Data, an open question"]
    assert suggestions_for(anyone, "data -rom") == ["Data, an open question"]
    assert suggestions_for(anyone, "data rom") == []


def test_suggestions_are_sorted_by_start(anyone, olga, strategy):
    days = {"Jazz today": 0.01, "Jazz this week": 2, "Jazz next year": 300, "Jazz in ten": 3650}
    for name, number in reversed(days.items()):
        event_in(number, organizer=olga, name=name)
    strategy()

    assert suggestions_for(anyone, "jaz") == list(days)
    assert suggestions_for(anyone, "jaz tod") == ["Jazz today"]
    assert suggestions_for(anyone, "jaz te") == ["Jazz in ten"]


def test_a_series_is_suggested_once(anyone, olga, strategy):
    for number in range(15):
        event_in(1 + number, organizer=olga, name="Jazz Night")
    event_in(30, organizer=olga, name="Jazz Day")
    strategy()

    assert suggestions_for(anyone, "jazz") == ["Jazz Night", "Jazz Day"]


def test_several_common_prefixes_are_searched_in_the_next_weeks_only(anyone, olga, monkeypatch):
    """Each prefix is in so many names that the search of one week takes long."""
    monkeypatch.setattr(query, "MAX_NAMES_OF_RARE_WORD", 0)
    monkeypatch.setattr(suggestions, "MAX_GATHERED", -1)
    monkeypatch.setattr(suggestions, "SOONEST_EVENTS", 0)
    event_in(7 * 30, organizer=olga, name="Jazz Night Rome")
    event_in(7 * 40, organizer=olga, name="Jazz Night Oslo")
    count_words()

    assert suggestions_for(anyone, "j") == ["Jazz Night Rome", "Jazz Night Oslo"]
    assert suggestions_for(anyone, "j n j") == ["Jazz Night Rome"]


def test_suggestions_are_at_most_ten(anyone, olga):
    EventFactory.create_batch(12, organizer=olga)

    assert len(suggestions_for(anyone, "event")) == 10


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("", "q", "required"),
        ("q=%00", "q", "invalid"),
        (f"q={'a' * 201}", "q", "max_length"),
        ("q=a&page=2", "page", "unknown_parameter"),
    ],
)
def test_suggestions_are_strict(anyone, query, field, code):
    response = anyone.get(f"/api/events/suggest/?{query}")

    assert response.status_code == 400
    assert {"field": field, "code": code}.items() <= response.json()["errors"][0].items()


@no_limits
@given(name=st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=40))
def test_an_event_is_suggested_by_its_own_name(anyone, olga, strategy, name):
    name = re.sub('[-"“”„«»]', " ", name)  # which mean something in a search
    event = EventFactory(organizer=olga)
    Event.objects.filter(pk=event.pk).update(name=name, location="", description="")
    strategy()

    has_words = Event.objects.values_list("search_vector", flat=True).get() != ""
    results = suggestions_for(anyone, name)
    Event.objects.all().delete()

    assert results == ([name] if has_words else [])


@no_limits
@given(text=st.text(max_size=40))
def test_suggestions_never_fail(anyone, event, text):
    response = anyone.get("/api/events/suggest/", {"q": text.replace("\x00", "")})

    assert response.status_code == 200, response.content


@pytest.mark.parametrize("query", ["search=conf", "near=1,1", "name=x", "search=%EF%BF%BD"])
@pytest.mark.parametrize("path", ["", "facets/", "calendar.ics"])
def test_the_last_day_of_the_calendar_has_no_events(anyone, event, path, query):
    response = anyone.get(f"/api/events/{path}?{query}&date=9999-12-31")

    assert response.status_code == 200
    if not path:
        assert response.json()["results"] == []
    elif path == "facets/":
        assert response.json()["count"] == 0
    else:
        assert b"BEGIN:VEVENT" not in response.content
