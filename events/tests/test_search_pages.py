"""Pages of searches against a plain calculation, whatever is asked and whichever way is taken."""

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
ways = st.fixed_dictionaries(
    {
        "WALK": st.sampled_from([1, 5, 20, 2000]),
        "WALK_ON": st.sampled_from([5, 30, 8000]),
        "GOOD_PART": st.sampled_from([0.01, 0.25, 1]),
        "FEW": st.sampled_from([0, 3, 10, 5000]),
        "FEW_SEEN": st.sampled_from([0, 1, 5]),
    }
)


@pytest.fixture
def crowd(olga, max_, clock) -> list[Event]:
    lot = random.Random(7)

    def text(least: int) -> str:
        return " ".join(lot.choices(WORDS, k=lot.randint(least, 3)))

    kinds = [None, CategoryFactory(slug="ab", name="Ab"), CategoryFactory(slug="c")]
    for hours in lot.choices([-3, -1, 0, 1, 2, 2, 2, 9], k=50):
        start = NOW + timedelta(hours=hours)
        EventFactory(
            name=text(1),
            location=text(0),
            description=text(0),
            category=lot.choice(kinds),
            organizer=lot.choice([olga, max_]),
            start_time=start,
            end_time=start + timedelta(hours=lot.choice([1, 2, 5])),
            created_at=NOW - timedelta(hours=lot.randint(0, 4)),
            status=lot.choice(["published"] * 8 + ["cancelled", "draft"]),
            deleted_at=lot.choice([None] * 9 + [NOW]),
        )
    count_words()
    return list(Event.objects.select_related("category"))


def level_of(event: Event, asked: list[tuple[str, list[str]]]) -> int | None:
    kind = event.category
    texts = (event.name, f"{kind.name} {kind.slug}" if kind else "", event.location)
    vector = [
        (word, weight)
        for text, weight in zip((*texts, event.description), "ABCD", strict=True)
        for word in text.lower().split()
    ]

    def has(wanted: list[str], weights: str, *, whole: bool) -> bool:
        """Whether the words stand there, one after the other."""
        return any(
            all(
                weight in weights and (word == one if whole else word.startswith(one))
                for (word, weight), one in zip(vector[place:], wanted, strict=False)
            )
            for place in range(len(vector) - len(wanted) + 1)
        )

    if any(has(wanted, "ABCD", whole=True) for kind, wanted in asked if kind == "minus"):
        return None
    found = [(wanted, kind == "phrase") for kind, wanted in asked if kind != "minus"]
    for level, weights in enumerate(WEIGHTS_OF_LEVELS):
        if all(has(wanted, weights, whole=phrase or not level) for wanted, phrase in found):
            return level if found else 3
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
    chosen=filters, way=ways, many=st.sampled_from([0, 20]), size=st.sampled_from([1, 3, 8, 100])
)
def test_pages_have_all_that_match_in_their_order(
    crowd, anyone, reader, monkeypatch, chosen, way, many, size
):
    for name, number in way.items():
        monkeypatch.setattr(page_planner, name, number)
    monkeypatch.setattr(query, "MAX_BEGINNINGS", many)
    # Words of their own are each a term.
    asked = [
        term
        for kind, wanted in chosen["search"]
        for term in ([(kind, [one]) for one in wanted] if kind == "word" else [(kind, wanted)])
    ]
    marks = {"word": "%s", "phrase": '"%s"', "minus": '-"%s"'}
    text = " ".join(marks[kind] % " ".join(wanted) for kind, wanted in asked)
    ordering = chosen.get("ordering", "")
    places = sorted(
        (
            level if not ordering else 0,
            getattr(event, ordering.lstrip("-") or "start_time"),
            event.pk,
        )
        for event in crowd
        if is_listed(event, chosen) and (level := level_of(event, asked)) is not None
    )
    if ordering.startswith("-"):
        places.reverse()

    parameters = {**chosen, "search": text, "page_size": size}
    pages = [anyone.get(PATH, parameters)]
    assert pages[0].content == reader.get(PATH, parameters).content
    while link := pages[-1].json()["next"]:
        pages.append(anyone.get(link))
        assert pages[-1].content == reader.get(link).content
    ids = [[event["id"] for event in page.json()["results"]] for page in pages]

    assert [pk for page in ids for pk in page] == [place[-1] for place in places]
    back = pages[-1]
    for page in reversed(ids[:-1]):
        back = anyone.get(back.json()["previous"])
        assert [event["id"] for event in back.json()["results"]] == page


@pytest.fixture
def reader(signed_in):
    """Who is signed in is answered by the ORM's queries."""
    return signed_in(UserFactory(username="eva"))
