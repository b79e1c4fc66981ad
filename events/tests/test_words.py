"""Search, parts of names and alphabetical order in every script."""

import re
from importlib import import_module
from urllib.parse import quote

import pytest
from django.db import connection

from config.api.text.folding import fold_texts
from events.models import Event
from events.search.scripts import UNSPACED_LETTERS
from events.services import count_words
from events.tests.factories import CategoryFactory, EventFactory
from events.tests.test_lists import names, walk

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

# --- matches ---

MATCHES = {
    "a word within a run": ("勉強会", "東京Python勉強会"),
    "the beginning of a run": ("東京", "東京Python勉強会"),
    "the middle of a run": ("強", "東京Python勉強会"),
    "the last letter of a run": ("会", "東京Python勉強会"),
    "a word between runs": ("python", "東京Python勉強会"),
    "both at once": ("python 勉強", "東京Python勉強会"),
    "the whole name": ("東京Python勉強会", "東京Python勉強会"),
    "a phrase over a border": ('"東京Python勉強"', "東京Python勉強会"),
    "a phrase after a border": ('"東京 python"', "東京Python勉強会"),
    "kana and kanji": ("申し込み", "お申し込み受付"),
    "half-width kana": ("ガイド", "山のｶﾞｲﾄﾞ"),
    "half-width kana in the search": ("ｶﾞｲﾄﾞ", "山のガイドさん"),
    "a squared word": ("株式", "㍿山田"),
    "behind a middle dot": ("ジャクソン", "マイケル・ジャクソン"),
    "Chinese": ("读书", "北京读书会"),
    "a rare Han letter": ("𠮷野家", "新宿𠮷野家前"),
    "Thai": ("กรุงเทพ", "งานวิ่งกรุงเทพมหานคร"),
    "Thai with a tone": ("วิ่ง", "งานวิ่งกรุงเทพ"),
    "Thai with am": ("น้ำ", "ตลาดน้ำอัมพวา"),
    "Lao": ("ວຽງຈັນ", "ງານວຽງຈັນ"),
    "Khmer": ("ពេញ", "ភ្នំពេញ"),
    "Myanmar": ("ပွဲ", "ပုဂံပွဲတော်"),
    "Korean words by their beginning": ("서울", "서울에서 만나요"),
    "final sigma": ("ΟΔΟΣ", "Η οδός μας"),
    "final sigma in the search": ("οδος", "ΟΔΌΣ"),
    "Greek accents": ("μουσικη", "Μουσική"),
    "Hebrew points": ("שלום", "שָׁלוֹם עולם"),
    "Hebrew points in the search": ("שָׁלוֹם", "שלום"),
    "Arabic vowels": ("موسيقى", "مُوسِيقَى"),
    "a lengthened Arabic word": ("موسيقى", "موســيقى"),
    "Arabic hamza": ("احمد", "أحمد"),
    "Persian and Arabic keyboards": ("کتاب", "كتاب"),
    "Arabic digits": ("2027", "معرض ٢٠٢٧"),
    "a nukta composed": ("फ़िल्म", "\u095eिल्म"),
    "no nukta": ("फिल्म", "फ़िल्म"),
    "a Devanagari nasal": ("हिंदी", "हिन्दी कविता"),
    "a Devanagari virama": ("हिन्दी", "हिन्दी कविता"),
    "Bengali": ("বাংলা", "বাংলা গান"),
    "Tamil": ("தமிழ்", "தமிழ் இசை"),
    "Cyrillic io": ("ежик", "Ёжик"),
    "Cyrillic decomposed": ("йога", "И\u0306ога"),
    "Vietnamese": ("da nang", "Đà Nẵng"),
    "Polish": ("lodz", "Łódź"),
    "sharp s": ("STRASSE", "Straße"),
    "capital sharp s": ("strasse", "STRAẞE"),
    "a ligature": ("official", "Oﬃcial"),
    "full-width Latin": ("python", "ＰＹＴＨＯＮ"),
    "a subscript": ("H2O", "H₂O"),
    "a subscript in the search": ("H₂O", "h2o"),
    "a dotted capital I": ("istanbul", "İstanbul"),
    "a dotless i": ("Isparta", "ısparta"),
    "decomposed": ("cafe", "Cafe\u0301"),
    "a soft hyphen": ("wasserball", "Wasser\xadball"),
    "a zero-width joiner": ("میخواهم", "می\u200cخواهم"),
    "Armenian": ("երևան", "ԵՐԵՒԱՆ"),
    "Georgian": ("თბილისი", "თბილისი"),
    "digits around an e": ("2e5th", "The 2e5th day"),
    "a number": ("1e5", "1e5 steps"),
    "a trade mark": ("python", "Python™"),
}


@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize(("text", "name"), MATCHES.values(), ids=MATCHES)
def test_a_name_matches_its_words(anyone, olga, text, name, counted):
    EventFactory(organizer=olga, name="Other", description="Nothing")
    EventFactory(organizer=olga, name=name)
    if counted:
        count_words()

    assert names(anyone, f"?search={quote(text)}") == [name]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("強勉", "東京Python勉強会"),
        ("東京勉強会", "東京Python勉強会"),
        ('"東京 勉強"', "東京Python勉強会"),
        ("か", "が"),  # the marks of kana make other letters
        ("-勉強", "東京Python勉強会"),
        ("เทพกรุง", "งานวิ่งกรุงเทพ"),
    ],
)
def test_a_name_does_not_match_other_words(anyone, olga, text, name):
    EventFactory(organizer=olga, name=name)

    assert names(anyone, f"?search={quote(text)}") == []


def test_words_within_runs_match_in_every_text(anyone, olga):
    category = CategoryFactory(slug="study", name="勉強会")
    EventFactory(organizer=olga, name="In the text", description="楽しい勉強会です")
    EventFactory(organizer=olga, name="By place", location="勉強会館")
    EventFactory(organizer=olga, name="By kind", category=category)
    EventFactory(organizer=olga, name="朝の勉強会")

    results = names(anyone, f"?search={quote('勉強会')}")

    assert results == ["朝の勉強会", "By place", "By kind", "In the text"]
    assert [
        event["name"]
        for event in walk(anyone, f"/api/events/?search={quote('勉強会')}&page_size=1")
    ] == results


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("C#", ["C# night", "C night", "C++ night"]),
        ("c++", ["C++ night", "C night", "C# night"]),
        ("C♯", ["C# night", "C night", "C++ night"]),
        ("F#", ["F# for you"]),
        (".NET", [".NET Core", "net of fish"]),
        (".net core", [".NET Core"]),
        ("net", ["net of fish", ".NET Core"]),
        ('"C# night"', ["C# night"]),
        ("csharp", ["C# night"]),
    ],
)
@pytest.mark.parametrize("counted", [False, True])
def test_names_with_signs_are_sorted_before_the_plain_word(anyone, olga, text, expected, counted):
    for name in ("C++ night", "C night", "C# night", "net of fish", ".NET Core", "F# for you"):
        EventFactory(organizer=olga, name=name)
    if counted:
        count_words()

    results = names(anyone, f"?search={quote(text)}")

    assert results[0] == expected[0]
    assert sorted(results) == sorted(expected)


def test_a_name_with_a_sign_is_not_corrected(anyone, olga):
    EventFactory(organizer=olga, name="Sharp knives")

    assert names(anyone, f"?search={quote('C#')}") == []


def test_facets_and_suggestions_match_words_within_runs(anyone, olga):
    EventFactory(organizer=olga, name="東京Python勉強会", location="東京")
    EventFactory(organizer=olga, name="Café littéraire", location="Paris")

    facets = anyone.get("/api/events/facets/", {"search": "勉強"}).json()
    suggested = [
        anyone.get("/api/events/suggest/", {"q": text}).json()["results"]
        for text in ("勉強", "会", "pyt", "CAFE", "ｶﾌｪ")
    ]

    assert (facets["count"], facets["locations"]) == (1, [{"location": "東京", "count": 1}])
    study = ["東京Python勉強会"]
    assert suggested == [study, study, study, ["Café littéraire"], []]


def test_suggestions_with_the_prefix_come_first_without_regard_to_accents(anyone, olga):
    for name in ("A Zoë day", "Zoë speaks"):
        EventFactory(organizer=olga, name=name)

    assert anyone.get("/api/events/suggest/?q=zoe").json()["results"] == ["Zoë speaks", "A Zoë day"]


@pytest.mark.parametrize(
    ("text", "name", "headline"),
    [
        ("勉強", "東京Python勉強会", "東京Python<mark>勉強</mark>会"),
        ("東京 python", "東京Python勉強会", "<mark>東京</mark><mark>Python</mark>勉強会"),
        ("会", "会と会", "<mark>会</mark>と<mark>会</mark>"),
        ("ガイド", "山のｶﾞｲﾄﾞ", "山の<mark>ｶﾞｲﾄﾞ</mark>"),
        ("วิ่ง", "งานวิ่งกรุงเทพ", "งาน<mark>วิ่ง</mark>กรุงเทพ"),
        ("C#", "C# & C", "<mark>C#</mark> &amp; <mark>C</mark>"),
        (".net", "In .NET", "In <mark>.NET</mark>"),
        ("शहर", "शहर में", "<mark>शहर</mark> में"),
        ("हिंदी", "हिन्दी कविता", "<mark>हिन्दी</mark> कविता"),
        ("שלום", "שָׁלוֹם", "<mark>שָׁלוֹם</mark>"),
        ("οδος", "ΟΔΟΣ", "<mark>ΟΔΟΣ</mark>"),
        ("cafe", "Cafe\u0301!", "<mark>Cafe\u0301</mark>!"),
    ],
)
def test_a_headline_marks_the_words_of_every_script(anyone, olga, text, name, headline):
    EventFactory(organizer=olga, name=name, location="Rom", description="")

    response = anyone.get("/api/events/", {"search": text, "highlight": "true"})

    assert [event["headline"] for event in response.json()["results"]] == [headline]


# --- parts of names and places ---


@pytest.mark.parametrize(
    ("part", "is_match"),
    [
        ("cafe", True),
        ("CAFÉ LIT", True),
        ("fé", True),
        ("É L", True),
        ("勉強", True),
        ("勉", True),
        ("会", True),
        ("強会", True),
        ("n勉", True),
        ("会勉", False),
        ("100%", True),
        ("0% l", True),
        ("_", False),
        ("\\", False),
        ("％", True),
        ("zz", False),
    ],
)
@pytest.mark.parametrize("field", ["name", "location"])
def test_parts_of_names_and_locations_are_folded(
    anyone, olga, max_, signed_in, field, part, is_match
):
    text = "Café Littéraire Python勉強会 100% life"
    event = EventFactory(organizer=olga, **{field: text})
    EventFactory(organizer=olga, name="Other", location="Elsewhere")

    for client in (anyone, signed_in(max_)):
        assert names(client, f"?{field}={quote(part)}") == ([event.name] if is_match else [])


# --- alphabetical order ---

ALPHABET = [
    "100 songs",
    "Äpfel",
    "Apple",
    "Émile",
    "Emily",
    "Łukasz",
    "Lukasz Nowak",
    "Ørsted",
    "Oslo",
    "zoe",
    "Zoë",
    "zoo",
    "Ωmega",
    "ёлка",
    "жук",
    "ирис",
    "йога",
    "กา",
    "เก",
    "ขา",
    "かき",
    "がき",
]


def test_names_are_in_alphabetical_order(anyone, olga):
    for name in sorted(ALPHABET):
        EventFactory(organizer=olga, name=name)

    assert names(anyone, "?ordering=name&page_size=100") == ALPHABET
    assert names(anyone, "?ordering=-name&page_size=100") == ALPHABET[::-1]
    pages = walk(anyone, "/api/events/?ordering=name&page_size=3")
    assert [event["name"] for event in pages] == ALPHABET


def test_equal_names_are_in_the_order_of_accents_and_then_of_ids(anyone, olga):
    created = ["ZOË", "Zoe", "Zoë", "ZOE", "Zoé"]
    ids = {name: EventFactory(organizer=olga, name=name).pk for name in created}

    events = walk(anyone, "/api/events/?ordering=name&page_size=1")

    expected = ["Zoe", "ZOE", "Zoé", "ZOË", "Zoë"]
    assert [event["id"] for event in events] == [ids[name] for name in expected]


def test_own_events_and_categories_are_in_alphabetical_order(olga, signed_in, anyone):
    for name in ("Zoo", "Äpfel", "Łukasz"):
        EventFactory(organizer=olga, name=name)
        CategoryFactory(slug=f"z-{ord(name[0])}", name=name)

    own = signed_in(olga).get("/api/me/events/?ordering=name").json()["results"]
    categories = anyone.get("/api/categories/?page_size=100").json()["results"]

    expected = ["Äpfel", "Łukasz", "Zoo"]
    assert [event["name"] for event in own] == expected
    assert [each["name"] for each in categories if each["name"] in expected] == expected


def test_the_longest_name_has_room_in_every_index(olga):
    EventFactory(organizer=olga, name="\ufdfa" * 200, location="\ufdfa" * 255)

    assert Event.objects.count() == 1


# --- the functions of Python and the database ---


def test_python_and_the_database_split_texts_in_the_same_way():
    functions = import_module("events.migrations.0001_functions")
    in_database = re.compile(f"[{functions.LETTERS}{functions.MARKS}]")
    in_python = re.compile(f"[{UNSPACED_LETTERS}]")
    letters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]

    differences = [
        each for each in letters if bool(in_database.match(each)) != bool(in_python.match(each))
    ]

    assert differences == []


def test_latin_letters_are_folded_as_all_letters_are():
    letters = [f"x{chr(code)}A" for code in (*range(0x20, 0x250), *range(0x2010, 0x2040))]

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT text FROM unnest(%s::text[]) AS text"
            " WHERE text_fold(text) <> text_fold_beyond_ascii(text)",
            [letters],
        )
        assert cursor.fetchall() == []


def test_python_and_queries_fold_texts_in_the_same_way():
    assert fold_texts(["Zoe", "Zoë", "ΟΔΟΣ"]) == {"Zoe": "zoe", "Zoë": "zoe", "ΟΔΟΣ": "οδοσ"}
