"""The vocabulary: which words correct misspelt ones, their limits, and their counts."""

import logging
import random

import pytest
from django.db import connection

from config.api.sql.time_limits import TookTooLong, limited
from conftest import NOW
from events.models import Event, SearchWord
from events.search import parsing, short_parts, spelling
from events.services import count_words, delete_event, restore_event, vocabulary
from events.tests.factories import EventFactory
from events.tests.test_lists import names

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def correcting() -> set[str]:
    return set(SearchWord.objects.filter(corrects=True).values_list("word", flat=True))


def random_words(number: int, seed: int) -> list[str]:
    dice = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyz"
    return ["".join(dice.choices(letters, k=9)) for _ in range(number)]


@pytest.fixture(params=["uncounted", "counted"])
def settle(request):
    """Call it after the events are created. Words correct before and after they are counted."""
    return count_words if request.param == "counted" else lambda: None


def test_words_of_one_organizers_descriptions_are_not_corrections(anyone, olga, settle):
    EventFactory(organizer=olga, name="Concert", description="saxophone")
    EventFactory(organizer=olga, name="Rehearsal", description="saxophone")
    settle()

    assert names(anyone, "?search=saxofone") == []
    assert names(anyone, "?search=saxo") == ["Concert", "Rehearsal"]


def test_words_of_several_organizers_are_corrections(anyone, olga, max_, settle):
    EventFactory(organizer=olga, name="Concert", description="saxophone")
    EventFactory(organizer=max_, name="Rehearsal", description="saxophone")
    settle()

    assert names(anyone, "?search=saxofone") == ["Concert", "Rehearsal"]


@pytest.mark.parametrize("fields", [{"name": "Saxophone"}, {"location": "Saxophone"}])
def test_words_of_names_and_locations_are_corrections(anyone, olga, settle, fields):
    event = EventFactory(organizer=olga, **fields)
    settle()

    assert names(anyone, "?search=saxofone") == [event.name]


def test_a_word_of_a_description_corrects_once_it_is_in_a_name(anyone, olga, settle):
    EventFactory(organizer=olga, name="Concert", description="saxophone")
    settle()
    EventFactory(organizer=olga, name="Saxophone day")
    settle()

    assert names(anyone, "?search=saxofone") == ["Saxophone day", "Concert"]


def test_random_words_of_descriptions_are_not_corrections(olga):
    for seed in range(5):
        EventFactory(organizer=olga, name="Jazz", description=" ".join(random_words(1000, seed)))
    count_words()

    assert correcting() == {"jazz", "berlin"}
    assert SearchWord.objects.count() == 5002


def test_an_event_adds_at_most_fifty_corrections(olga, max_):
    described = random_words(200, seed=1)
    EventFactory(organizer=olga, description=" ".join(described))

    EventFactory(organizer=max_, name="Jazz", description=" ".join(described))

    assert correcting() - set(described) == {"event", "berlin", "jazz"}
    assert len(correcting() & set(described)) == 49


def fill(organizer, *, seed: int) -> None:
    """Events with 1,200 new words in their names."""
    words = random_words(1200, seed)
    Event.objects.bulk_create(
        EventFactory.build(
            organizer=organizer, category=None, name=" ".join(words[number : number + 20])
        )
        for number in range(0, 1200, 20)
    )


def test_an_organizer_adds_at_most_a_thousand_corrections_between_counts(olga, max_):
    fill(olga, seed=1)
    fill(max_, seed=2)

    corrections = SearchWord.objects.filter(corrects=True)
    assert corrections.filter(brought_by=olga.pk).count() == 1000
    assert corrections.filter(brought_by=max_.pk).count() == 1000


def test_an_organizer_may_add_more_corrections_after_a_count(olga):
    fill(olga, seed=1)
    count_words()
    counted = len(correcting())

    fill(olga, seed=2)

    assert counted == 1201
    assert SearchWord.objects.filter(corrects=True, in_texts=None).count() == 1000


def test_the_organizer_with_most_corrections_loses_some_first(olga, max_, monkeypatch):
    monkeypatch.setattr(vocabulary, "MAX_CORRECTING", 8)
    flood = random_words(20, 1)
    EventFactory(organizer=max_, name=" ".join(flood), location="Rome")
    EventFactory(organizer=olga, name="Saxophone concert", location="Oslo")

    count_words()

    assert len(correcting()) == 8
    assert correcting() - set(flood) == {"saxophone", "concert", "oslo"} | correcting() & {"rome"}


def test_corrections_of_a_single_organizer_are_limited(olga, max_, monkeypatch):
    monkeypatch.setattr(vocabulary, "MAX_CORRECTING_OF_ORGANIZER", 5)
    EventFactory(organizer=olga, name=" ".join(random_words(10, 1)), location="Rome")
    EventFactory(organizer=olga, name="Saxophone concert", location="Rome")
    EventFactory(organizer=max_, name="Saxophone concert", location="Rome")

    count_words()

    assert len(correcting()) == 8
    assert {"saxophone", "concert", "rome"} < correcting()


def test_words_of_several_organizers_use_up_no_limit(olga, max_, monkeypatch):
    monkeypatch.setattr(vocabulary, "MAX_CORRECTING_OF_ORGANIZER", 2)
    for organizer in (olga, max_):
        EventFactory(organizer=organizer, name="Saxophone concert", location="Rome")
    EventFactory(organizer=olga, name="Clarinet evening", location="Rome")
    EventFactory(organizer=max_, name="Trombone matinee", location="Rome")

    count_words()

    shared = {"saxophone", "concert", "rome"}
    assert correcting() == shared | {"clarinet", "evening", "trombone", "matinee"}


def test_a_counted_word_stays_counted_when_another_organizer_uses_it(olga, max_):
    """Page plans use the counts: the matches of an uncounted word are walked first."""
    EventFactory(organizer=olga, name="Concert", description="saxophone")
    count_words()

    EventFactory(organizer=max_, name="Rehearsal", description="saxophone")

    assert SearchWord.objects.filter(word="saxophone").count() == 2
    (word,) = parsing.read_search("saxophone").words
    assert (word.is_counted, word.in_texts) == (True, 1)


def test_a_new_word_is_not_counted(olga):
    EventFactory(organizer=olga, name="Saxophone")
    count_words()
    EventFactory(organizer=olga, name="Saxophones")

    (word,) = parsing.read_search("saxophone").words

    assert not word.is_counted


def test_words_of_deleted_events_are_deleted(anyone, olga):
    event = EventFactory(organizer=olga, name="Saxophone")
    EventFactory(organizer=olga, name="Jazz")
    count_words()

    delete_event(event)
    count_words()
    count_words()

    assert not SearchWord.objects.filter(word="saxophone").exists()
    assert SearchWord.objects.filter(word="jazz").count() == 1


def test_words_of_restored_events_return_at_once(anyone, olga):
    event = EventFactory(organizer=olga, name="Saxophone")
    delete_event(event)
    count_words()
    count_words()

    restore_event(event)

    assert names(anyone, "?search=saxofone") == ["Saxophone"]
    assert names(anyone, "?search=saxo") == ["Saxophone"]


def test_an_edit_of_a_deleted_event_adds_no_words(olga):
    event = EventFactory(organizer=olga, deleted_at=NOW)

    Event.objects.filter(pk=event.pk).update(name="Saxophone")

    assert not SearchWord.objects.filter(word="saxophone").exists()


def test_new_corrections_are_soon_in_the_index(olga):
    """A search reads the whole pending list of the index, by default up to 4 MB."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reloptions FROM pg_class WHERE relname = 'search_word_corrections'")
        (options,) = cursor.fetchone()

    assert options == ["gin_pending_list_limit=64"]


# --- the time limit ---

SLOW_COMPARISON = """
    CREATE OR REPLACE FUNCTION search_near(given text)
    RETURNS TABLE (word text, in_headings integer, in_texts integer)
    LANGUAGE sql AS $$ SELECT pg_sleep(30)::text, 1, 1 $$
"""


def test_a_search_skips_corrections_that_take_too_long(anyone, olga, monkeypatch, caplog):
    monkeypatch.setattr(spelling, "LIMIT_MILLISECONDS", 20)
    EventFactory(organizer=olga, name="Jazz")
    with connection.cursor() as cursor:
        cursor.execute(SLOW_COMPARISON)

    with caplog.at_level(logging.WARNING):
        results = names(anyone, "?search=jaxz")

    assert results == []
    assert "no corrections" in caplog.text
    assert names(anyone, "?search=jazz") == ["Jazz"]


def test_part_of_a_name_matches_when_its_words_take_too_long(anyone, olga, monkeypatch):
    monkeypatch.setattr(short_parts, "LIMIT_MILLISECONDS", 20)
    monkeypatch.setattr(short_parts, "_WORDS_WITH_PART", "SELECT pg_sleep(30)::text, %s, %s")
    EventFactory(organizer=olga, name="Jazz")

    assert names(anyone, "?name=zz") == ["Jazz"]


def test_a_time_limit_ends_with_its_block():
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        before = cursor.fetchone()
        with limited(connection, milliseconds=20):
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone() == ("20ms",)

        with pytest.raises(TookTooLong), limited(connection, milliseconds=20):
            cursor.execute("SELECT pg_sleep(30)")

        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == before
