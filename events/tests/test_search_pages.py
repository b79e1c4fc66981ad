"""Pages of random searches, by every strategy, against a plain calculation."""

import random
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.tests.factories import UserFactory
from conftest import NOW
from events.models import Event
from events.search import page_planner, query
from events.services import count_words
from events.tests.factories import CategoryFactory, EventFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

PATH = "/api/events/"
WORDS = ["a", "ab", "abc", "b", "ba", "c", "1", "12"]  # too short to be misspelt
WEIGHTS_OF_LEVELS = ("A", "A", "ABC", "ABCD")

words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=2)
terms = st.tuples(st.sampled_from(["word", "word", "word", "phrase", "minus"]), words)
filters = st.fixed_dictionaries(
    {"search": st.lists(terms, min_size=1, max_size=3)},
    optional={
        "name": st.sampled_from(["a", "b a", "abc"]),
        "category": st.sampled_from(["ab", "none"]),
        "when": st.sampled_from(["upcoming", "ongoing", "past", "all"]),
        "status": st.sampled_from(["published", "cancelled", "draft"]),
        "ordering": st.sampled_from(
            ["start_time", "-start_time", "created_at", "-created_at", "name", "-name"]
        ),
    },
)
limits = st.fixed_dictionaries(
    {
        "MAX_WALKED": st.sampled_from([1, 5, 20, 2000]),
        "MAX_WALKED_FAR": st.sampled_from([5, 30, 8000]),
        "MIN_WALKED_SHARE": st.sampled_from([0.01, 0.25, 1]),
        "MAX_GATHERED": st.sampled_from([0, 3, 10, 5000]),
        "MAX_RARE_MATCHES": st.sampled_from([0, 1, 5]),
    }
)


@pytest.fixture
def events(olga, max_, clock) -> list[Event]:
    dice = random.Random(7)

    def text(least: int) -> str:
        return " ".join(dice.choices(WORDS, k=dice.randint(least, 3)))

    kinds = [None, CategoryFactory(slug="ab", name="Ab"), CategoryFactory(slug="c")]
    for hours in dice.choices([-3, -1, 0, 1, 2, 2, 2, 9], k=50):
        start = NOW + timedelta(hours=hours)
        EventFactory(
            name=text(1),
            location=text(0),
            description=text(0),
            category=dice.choice(kinds),
            organizer=dice.choice([olga, max_]),
            start_time=start,
            end_time=start + timedelta(hours=dice.choice([1, 2, 5])),
            created_at=NOW - timedelta(hours=dice.randint(0, 4)),
            status=dice.choice(["published"] * 8 + ["cancelled", "draft"]),
            deleted_at=dice.choice([None] * 9 + [NOW]),
        )
    count_words()
    return list(Event.objects.select_related("category"))


def level_of(event: Event, terms: list[tuple[str, list[str]]]) -> int | None:
    kind = event.category
    texts = (event.name, f"{kind.name} {kind.slug}" if kind else "", event.location)
    vector = [
        (word, weight)
        for text, weight in zip((*texts, event.description), "ABCD", strict=True)
        for word in text.lower().split()
    ]

    def has(words_of_term: list[str], weights: str, *, whole: bool) -> bool:
        """Whether the event has the words, one after the other."""
        return any(
            all(
                weight in weights and (word == one if whole else word.startswith(one))
                for (word, weight), one in zip(vector[index:], words_of_term, strict=False)
            )
            for index in range(len(vector) - len(words_of_term) + 1)
        )

    if any(
        has(words_of_term, "ABCD", whole=True) for kind, words_of_term in terms if kind == "minus"
    ):
        return None
    required = [
        (words_of_term, kind == "phrase") for kind, words_of_term in terms if kind != "minus"
    ]
    for level, weights in enumerate(WEIGHTS_OF_LEVELS):
        if all(
            has(words_of_term, weights, whole=phrase or not level)
            for words_of_term, phrase in required
        ):
            return level if required else 3
    return None


def is_listed(event: Event, chosen: dict[str, str]) -> bool:
    status, when = chosen.get("status", "published"), chosen.get("when", "upcoming")
    slug = event.category and event.category.slug
    return (
        event.deleted_at is None
        and event.status == status != "draft"
        and chosen.get("name", "") in event.name
        and chosen.get("category", slug) == slug
        and {
            "upcoming": event.start_time > NOW,
            "ongoing": event.start_time <= NOW < event.end_time,
            "past": event.end_time <= NOW,
            "all": True,
        }[when]
    )


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    chosen=filters,
    limits=limits,
    max_completions=st.sampled_from([0, 20]),
    size=st.sampled_from([1, 3, 8, 100]),
)
def test_pages_have_every_match_in_order(
    events, anyone, reader, monkeypatch, chosen, limits, max_completions, size
):
    for name, number in limits.items():
        monkeypatch.setattr(page_planner, name, number)
    monkeypatch.setattr(query, "MAX_NAMED_COMPLETIONS", max_completions)
    # Every word outside a phrase is a term.
    search_terms = [
        term
        for kind, words_of_term in chosen["search"]
        for term in (
            [(kind, [one]) for one in words_of_term] if kind == "word" else [(kind, words_of_term)]
        )
    ]
    marks = {"word": "%s", "phrase": '"%s"', "minus": '-"%s"'}
    text = " ".join(marks[kind] % " ".join(words_of_term) for kind, words_of_term in search_terms)
    ordering = chosen.get("ordering", "")
    positions = sorted(
        (
            level if not ordering else 0,
            getattr(event, ordering.lstrip("-") or "start_time"),
            event.pk,
        )
        for event in events
        if is_listed(event, chosen) and (level := level_of(event, search_terms)) is not None
    )
    if ordering.startswith("-"):
        positions.reverse()

    parameters = {**chosen, "search": text, "page_size": size}
    pages = [anyone.get(PATH, parameters)]
    assert pages[0].json() == as_for_guests(reader.get(PATH, parameters))
    while link := pages[-1].json()["next"]:
        pages.append(anyone.get(link))
        assert pages[-1].json() == as_for_guests(reader.get(link))
    ids = [[event["id"] for event in page.json()["results"]] for page in pages]

    assert [pk for page in ids for pk in page] == [position[-1] for position in positions]
    back = pages[-1]
    for page in reversed(ids[:-1]):
        back = anyone.get(back.json()["previous"])
        assert [event["id"] for event in back.json()["results"]] == page


def as_for_guests(response):
    """A page without the members that depend on the reader."""
    body = response.json()
    for event in body["results"]:
        assert (event.pop("my_role"), event.pop("my_rights")) == (None, [])
    return body


@pytest.fixture
def reader(signed_in):
    """A signed-in reader, whose pages are read by the ORM."""
    return signed_in(UserFactory(username="eva"))
