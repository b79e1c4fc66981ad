"""The page of an event: what everybody reads, and the form that registers."""

import json
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path

import pytest
from django.contrib.staticfiles.finders import find
from django.test import Client

from accounts.models import Notification
from accounts.tests.factories import UserFactory
from config.api.http.one_use_forms import MAX_SECONDS, MIN_SECONDS
from conftest import NOW
from events.links import slug_of
from events.services import cancel_event
from events.tests.factories import CategoryFactory, EventFactory
from registrations.models import Feedback, Registration
from registrations.services import cancel_registration
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser() -> Client:
    """Without cookies: a page that needs one fails."""
    return Client(enforce_csrf_checks=True)


@pytest.fixture
def jazz(clock, olga):
    return EventFactory(
        organizer=olga,
        name="Jazz Night",
        location="Quasimodo, Berlin",
        max_capacity=2,
        start_time="2027-03-15T19:00:00Z",
        end_time="2027-03-15T22:30:00Z",
        category=CategoryFactory(slug="music", name="Music"),
    )


def path_of(event) -> str:
    return f"/e/{event.pk}-jazz-night"


def text_of(response) -> str:
    """What a reader sees of the page."""
    main = re.search(r"<main[^>]*>(.*)</main>", response.content.decode(), re.DOTALL)[1]
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", main).split()))


def fields_of(response) -> dict[str, str]:
    """The form as a browser sends it."""
    inputs = re.findall(r"<input ([^>]*)>", response.content.decode())
    pairs = (
        (re.search(r'name="([^"]*)"', each), re.search(r'value="([^"]*)"', each)) for each in inputs
    )
    return {name[1]: unescape(value[1]) if value else "" for name, value in pairs if name}


def submitted(clock, browser: Client, event, *, seconds: float = 10, **values: str):
    """The response to the form, which is sent some seconds after it was rendered."""
    form = fields_of(browser.get(path_of(event)))
    clock.shift(timedelta(seconds=seconds))
    return browser.post(path_of(event), {**form, **values})


BOB = {"name": "Bob", "email": "bob@example.com"}


# --- reading ---


def test_the_page_shows_the_event(browser, jazz):
    response = browser.get(path_of(jazz))

    text = text_of(response)
    assert response.status_code == 200
    assert "Music Jazz Night by olga" in text
    assert "Monday, 15 March 2027 20:00 – 23:30 Europe/Berlin, CET" in text
    assert "Quasimodo, Berlin Show on a map" in text
    assert "2 of 2 seats are free" in text
    assert "Add to calendar Google Calendar" in text
    assert "Set-Cookie" not in response
    assert response["Cache-Control"] == "private, no-cache"
    assert len(response.content) < 10_000


def test_the_time_of_the_visitor_is_shown_beside_that_of_the_event(browser, jazz):
    page = browser.get(f"{path_of(jazz)}?timezone=Asia/Kolkata")
    by_header = browser.get(path_of(jazz), headers={"Time-Zone": "Asia/Kolkata"})
    unknown = browser.get(f"{path_of(jazz)}?timezone=Mars/Olympus")

    own = "For you: Tuesday, 16 March 2027, 00:30 – 04:00 (Asia/Kolkata, IST)"
    assert own in text_of(page)
    assert own in text_of(by_header)
    assert unknown.status_code == 400


@pytest.mark.parametrize("path", ["", "/", "-other", "-jazz-night/", "-日本", "-jazz?utm_source=x"])
def test_another_address_of_the_event_redirects_to_its_page(browser, jazz, path):
    response = browser.get(f"/e/{jazz.pk}{path}")

    query = "?utm_source=x" if "?" in path else ""
    assert (response.status_code, response["Location"]) == (301, path_of(jazz) + query)
    assert response["Cache-Control"] == "no-store"


def test_a_first_visit_is_small_and_loads_nothing_from_elsewhere(browser, jazz):
    """30 KB without compression, and no image: the page with its scripts, style and icon."""
    EventFactory.create_batch(20, name="Donaudampfschifffahrt mit Jazz und Tanz auf der Wachau")

    for path in ("/", path_of(jazz)):
        response = browser.get(path)

        page = response.content.decode()
        links = r'<(?:script[^>]* src|link rel="(?:stylesheet|icon)" href)="([^"]+)"'
        loaded = re.findall(links, page)
        files = [Path(find(each.removeprefix("/static/"))) for each in loaded]
        assert len(loaded) == 3
        assert len(response.content) + sum(file.stat().st_size for file in files) < 30_000
        assert re.findall(r'\ssrc(?:set)?="(?!/)', page) == []
        assert not response.cookies


def test_a_slug_has_every_latin_letter():
    assert [slug_of(name) for name in ("Łódź, Ærø & Đà Nẵng", "Straße \u0131\u0131", "東京")] == [
        "lodz-aero-da-nang", "strasse-ii", "event"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "fields", [{"status": "draft"}, {"deleted_at": NOW}], ids=["draft", "deleted"]
)
def test_an_event_that_guests_do_not_see_has_no_page(browser, jazz, olga, fields):
    type(jazz).objects.filter(pk=jazz.pk).update(**fields)

    assert browser.get(path_of(jazz)).status_code == 404
    assert browser.get(f"/e/{jazz.pk}").status_code == 404
    assert browser.post(path_of(jazz), BOB).status_code == 404
    assert browser.get("/e/999999-nothing").status_code == 404


def test_the_pages_can_be_switched_off(settings, browser, anyone, jazz):
    settings.PUBLIC_PAGES = False

    calendar = anyone.get(f"/api/events/{jazz.pk}/calendar.ics").content.decode()
    assert browser.get(path_of(jazz)).status_code == 404
    assert browser.get("/sitemap.xml").status_code == 404
    start = browser.get("/").content.decode()
    assert all(f'href="{path}"' in start for path in ("/api/docs/", "/api/redoc/", "/admin/"))
    assert anyone.get(f"/api/events/{jazz.pk}/").json()["page_url"] is None
    assert f"URL:http://localhost:8000/api/events/{jazz.pk}/" in calendar


def test_the_description_is_markdown_without_anything_unsafe(browser, jazz):
    jazz.description = (
        "# Program\n\n**Loud** and\n*late*. See https://example.org\n\n"
        "<script>alert(1)</script> [x](javascript:alert(1)) ![i](https://evil.example/i.png)"
    )
    jazz.save(update_fields=["description"])

    page = browser.get(path_of(jazz)).content.decode()

    prose = re.search(r'<div class="prose">(.*?)</div>', page, re.DOTALL)[1]
    link = '<a href="https://example.org" rel="nofollow ugc noopener noreferrer">'
    assert "<h3>Program</h3>" in prose
    assert "<strong>Loud</strong> and<br>\n<em>late</em>" in prose
    assert f"{link}https://example.org</a>" in prose
    assert "<script" not in prose
    assert "<img" not in prose
    assert 'href="javascript' not in prose


def test_names_cannot_break_out_of_the_page(browser, olga):
    name = '</script><script>alert("x")</script> & "quotes"'
    event = EventFactory(organizer=olga, name=name, location="<b>here</b>", max_capacity=1)
    path = event_path = browser.get(f"/e/{event.pk}")["Location"]

    page = browser.get(path).content.decode()

    assert event_path == f"/e/{event.pk}-scriptscriptalertxscript-quotes"
    assert "<script>alert" not in page
    assert "<b>here" not in page
    assert structured(page)["name"] == name


def structured(page: str) -> dict:
    script = re.search(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)[1]
    return json.loads(script)


def test_programs_read_the_event_from_the_page(browser, jazz):
    jazz.description = "Late **and** loud."
    jazz.latitude, jazz.longitude = 52.5, 13.3
    jazz.save()

    page = browser.get(path_of(jazz)).content.decode()

    url = f"http://localhost:8000{path_of(jazz)}"
    assert structured(page) == {
        "@context": "https://schema.org",
        "@type": "Event",
        "name": "Jazz Night",
        "startDate": "2027-03-15T20:00:00+01:00",
        "endDate": "2027-03-15T23:30:00+01:00",
        "eventStatus": "https://schema.org/EventScheduled",
        "eventAttendanceMode": "https://schema.org/OfflineEventAttendanceMode",
        "location": {
            "@type": "Place",
            "name": "Quasimodo, Berlin",
            "address": "Quasimodo, Berlin",
            "geo": {"@type": "GeoCoordinates", "latitude": 52.5, "longitude": 13.3},
        },
        "organizer": {"@type": "Person", "name": "olga"},
        "url": url,
        "description": "Late and loud.",
        "offers": {
            "@type": "Offer",
            "url": url,
            "availability": "https://schema.org/InStock",
        },
        "maximumAttendeeCapacity": 2,
        "remainingAttendeeCapacity": 2,
    }
    assert '<meta property="og:title" content="Jazz Night">' in page
    assert f'<link rel="canonical" href="{url}">' in page
    assert 'content="15 March 2027, 20:00, Quasimodo, Berlin. Late and loud."' in page


def test_the_link_to_join_is_not_on_the_page(browser, olga):
    event = EventFactory(
        organizer=olga,
        name="Jazz Night",
        attendance_mode="online",
        meeting_url="https://meet.example.org/secret",
    )

    page = browser.get(path_of(event)).content.decode()

    assert "meet.example.org" not in page
    assert "Show on a map" not in page
    assert "The link to join is for those who have a seat." in page
    assert structured(page)["location"]["@type"] == "VirtualLocation"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"max_capacity": 1, "registered_count": 1}, "All seats are taken"),
        ({"registration_opens_at": NOW + timedelta(days=1)}, "It opens on Saturday, 16 January"),
        ({"registration_closes_at": NOW}, "It closed on Friday, 15 January 2027, 13:00"),
        ({"start_time": NOW, "end_time": NOW + timedelta(hours=1)}, "It is on right now"),
        (
            {"start_time": NOW - timedelta(hours=2), "end_time": NOW},
            "This event is over Find what comes next",
        ),
    ],
)
def test_the_page_says_why_nobody_can_register(clock, browser, olga, fields, sentence):
    event = EventFactory(organizer=olga, name="Jazz Night", **fields)

    page = browser.get(path_of(event))

    assert sentence in text_of(page)
    assert "<form" not in page.content.decode()


def test_a_cancelled_event_says_so_to_people_and_programs(browser, jazz):
    cancel_event(jazz, reason="For organizers only")

    response = browser.get(path_of(jazz))

    assert "This event is cancelled. It does not take place." in text_of(response)
    assert "For organizers only" not in response.content.decode()
    assert structured(response.content.decode())["eventStatus"].endswith("EventCancelled")


def test_feedback_is_on_the_page_without_what_staff_have_hidden(clock, browser, olga, ana, max_):
    event = EventFactory(
        organizer=olga,
        name="Jazz Night",
        start_time=NOW - timedelta(hours=3),
        end_time=NOW - timedelta(hours=1),
    )
    Feedback.objects.create(event=event, author=ana, rating=4, comment="Great & <loud>")
    Feedback.objects.create(
        event=event, author=max_, rating=1, comment="Spam", hidden_at=NOW, hidden_reason="Spam"
    )

    text = text_of(browser.get(path_of(event)))

    assert "4.0 of 5 stars, from 1 person ★★★★☆ ana Great & <loud>" in text
    assert "Spam" not in text
    assert "Add to calendar" not in text


# --- registering ---


def test_the_form_registers_a_guest_and_leads_to_the_ticket(clock, browser, jazz):
    response = submitted(clock, browser, jazz, **BOB)

    [registration] = Registration.objects.all()
    page = browser.get(response["Location"])
    assert response.status_code == 302
    assert response["Location"].startswith(f"/registrations/{registration.pk}/?token=")
    assert (registration.name, registration.email) == ("Bob", "bob@example.com")
    assert (registration.status, registration.user_id) == ("confirmed", None)
    assert "You are registered." in text_of(page)
    assert registration.ticket_code in text_of(page)
    assert Notification.objects.filter(kind="registration_confirmed").count() == 1
    assert "Set-Cookie" not in response


@pytest.mark.django_db(transaction=True)
def test_the_form_works_outside_a_transaction_of_the_test(clock, browser, jazz):
    response = submitted(clock, browser, jazz, **BOB)

    assert response.status_code == 302
    assert Registration.objects.count() == 1


@pytest.mark.parametrize(
    ("policy", "seats", "form"),
    [
        (
            "strict",
            "2 seats are kept for the queue, 4 people are waiting",
            "Join the waiting list The free seats are kept for those who wait.",
        ),
        ("first_fit", "2 of 5 seats are free", "Take part"),
    ],
)
def test_free_seats_of_a_queue_are_said_to_be_kept(clock, browser, olga, policy, seats, form):
    event = EventFactory(
        organizer=olga,
        name="Jazz Night",
        max_capacity=5,
        registered_count=3,
        waitlist_count=4,
        waitlist_enabled=True,
        waitlist_policy=policy,
    )

    text = text_of(browser.get(path_of(event)))

    assert seats in text
    assert form in text
    assert "seats are taken" not in text


def test_a_full_event_offers_its_waiting_list(clock, browser, olga):
    event = EventFactory(organizer=olga, name="Jazz Night", max_capacity=1, waitlist_enabled=True)
    registered(event)

    before = text_of(browser.get(path_of(event)))
    response = submitted(clock, browser, event, **BOB)

    after = text_of(browser.get(response["Location"]))
    assert "All 1 seat is taken" not in before
    assert "Join the waiting list All seats are taken." in before
    assert "You are on the waiting list, as number 1." in after


def test_the_ticket_of_an_account_goes_by_mail_alone(clock, browser, jazz):
    ana = UserFactory(username="ana", email_verified_at=NOW)

    response = submitted(clock, browser, jazz, name="Ana", email=ana.email)

    page = browser.get(response["Location"])
    assert response["Location"].startswith(f"{path_of(jazz)}?done=")
    assert "You are registered. Ticket and link are on their way" in text_of(page)
    assert Registration.objects.get().user_id == ana.pk


def test_the_address_after_registering_says_nothing_to_others(clock, browser, jazz):
    ana = UserFactory(username="ana", email_verified_at=NOW)
    other = EventFactory(organizer=jazz.organizer, name="Jazz Night")
    location = submitted(clock, browser, jazz, name="Ana", email=ana.email)["Location"]
    query = location.partition("?")[2].partition("#")[0]

    at_once = browser.get(location)
    elsewhere = browser.get(f"{path_of(other)}?{query}")
    forged = browser.get(f"{path_of(jazz)}?done={jazz.pk}:mailed")
    clock.shift(timedelta(minutes=11))
    later = browser.get(location)

    assert "You are registered" in text_of(at_once)
    assert 'name="email"' not in at_once.content.decode()
    for page in (elsewhere, forged, later):
        assert "You are registered" not in page.content.decode()
        assert 'name="email"' in page.content.decode()


def test_a_cancelled_event_has_no_news_of_a_registration(clock, browser, jazz):
    ana = UserFactory(username="ana", email_verified_at=NOW)
    location = submitted(clock, browser, jazz, name="Ana", email=ana.email)["Location"]
    cancel_event(jazz)

    page = browser.get(location).content.decode()

    assert "This event is cancelled." in page
    assert "You are registered" not in page


def test_the_source_of_a_link_is_stored(clock, browser, jazz):
    form = fields_of(browser.get(f"{path_of(jazz)}?utm_source=newsletter&fbclid=1"))
    clock.shift(timedelta(seconds=10))
    browser.post(path_of(jazz), {**form, **BOB})

    assert Registration.objects.get().source == "newsletter"


@pytest.mark.parametrize("source", ["x" * 300, "a\x00b", "\n", "\u202e"])
def test_an_odd_source_does_not_prevent_registering(clock, browser, jazz, source):
    form = fields_of(browser.get(path_of(jazz), {"utm_source": source}))
    clock.shift(timedelta(seconds=10))

    assert browser.post(path_of(jazz), {**form, **BOB}).status_code == 302


def test_a_form_with_errors_keeps_what_was_typed(clock, browser, jazz):
    response = submitted(clock, browser, jazz, name='Bob "B" <b>', email="bob@", source="flyer")

    form, page = fields_of(response), response.content.decode()
    assert response.status_code == 400
    assert (form["name"], form["email"], form["source"]) == ('Bob "B" <b>', "bob@", "flyer")
    assert "<title>Please correct: Jazz Night</title>" in page
    assert '<p><a href="#email">' in page
    assert 'maxlength="254" aria-invalid="true" aria-describedby="mistakes"' in page
    corrected = browser.post(path_of(jazz), {**form, **BOB})
    assert corrected.status_code == 302
    assert Registration.objects.get().source == "flyer"


def test_empty_fields_are_named(clock, browser, jazz):
    text = text_of(submitted(clock, browser, jazz, name=" ", email=""))

    assert "Enter your name." in text
    assert "Enter your e-mail address." in text


def test_refusals_of_the_services_are_on_the_page(clock, browser, jazz):
    registered(jazz, email="bob@example.com")

    again = submitted(clock, browser, jazz, **BOB)
    form = fields_of(browser.get(path_of(jazz)))
    registered(jazz)
    clock.shift(timedelta(seconds=10))
    full = browser.post(path_of(jazz), {**form, "name": "Eve", "email": "eve@example.com"})

    assert again.status_code == full.status_code == 409
    assert "already registered" in text_of(again)
    assert "All 2 seats are taken." in text_of(full)
    assert fields_of(full)["email"] == "eve@example.com"


def test_a_form_registers_once(clock, browser, jazz):
    form = fields_of(browser.get(path_of(jazz)))
    clock.shift(timedelta(seconds=10))

    first = browser.post(path_of(jazz), {**form, **BOB})
    again = browser.post(path_of(jazz), {**form, **BOB})
    other = browser.post(path_of(jazz), {**form, "name": "Eve", "email": "eve@example.com"})

    assert (again.status_code, again["Location"]) == (302, first["Location"])
    assert other.status_code == 400
    assert "This form was sent before." in text_of(other)
    assert Registration.objects.count() == 1
    renewed = browser.post(path_of(jazz), fields_of(other))
    assert renewed.status_code == 302


@pytest.mark.parametrize(
    ("token", "seconds"),
    [(None, MIN_SECONDS - 1), (None, MAX_SECONDS + 1), ("", 10), ("forged", 10), ("a:1:b:c", 10)],
)
def test_programs_that_send_forms_are_refused_and_people_can_send_again(
    clock, browser, jazz, token, seconds
):
    values = BOB if token is None else {**BOB, "token": token}
    refused = submitted(clock, browser, jazz, seconds=seconds, **values)

    assert refused.status_code == 400
    assert not Registration.objects.exists()
    clock.shift(timedelta(seconds=MIN_SECONDS))
    assert browser.post(path_of(jazz), fields_of(refused)).status_code == 302


def test_the_token_of_another_form_is_refused(clock, browser, jazz, olga):
    other = EventFactory(organizer=olga, name="Jazz Night")
    form = fields_of(browser.get(path_of(other)))
    clock.shift(timedelta(seconds=10))

    assert browser.post(path_of(jazz), {**form, **BOB}).status_code == 400


def test_a_filled_trap_is_refused(clock, browser, jazz):
    response = submitted(clock, browser, jazz, **BOB, website="https://spam.example")

    assert response.status_code == 400
    assert "Leave the field “Website” empty" in text_of(response)
    assert not Registration.objects.exists()


def test_the_limit_of_register_applies(clock, settings, browser, jazz):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "register": (1, 60)}

    submitted(clock, browser, jazz, **BOB)
    form = fields_of(browser.get(path_of(jazz)))
    response = browser.post(path_of(jazz), {**form, "name": "Eve", "email": "eve@example.com"})

    assert response.status_code == 429
    assert int(response["Retry-After"]) > 0
    assert fields_of(response)["name"] == "Eve"
    assert Registration.objects.count() == 1


def test_a_form_that_was_opened_before_a_renaming_still_registers(clock, browser, jazz):
    form = fields_of(browser.get(path_of(jazz)))
    type(jazz).objects.filter(pk=jazz.pk).update(name="Blues Night")
    clock.shift(timedelta(seconds=10))

    assert browser.post(path_of(jazz), {**form, **BOB}).status_code == 302


def test_who_has_cancelled_finds_the_way_back(clock, browser, jazz):
    location = submitted(clock, browser, jazz, **BOB)["Location"]
    cancel_registration(Registration.objects.get())

    page = browser.get(location)
    again = submitted(clock, browser, jazz, **BOB)

    assert "Changed your mind? You can register again." in text_of(page)
    assert f'href="http://localhost:8000{path_of(jazz)}#register"' in page.content.decode()
    assert again.status_code == 302
    assert Registration.objects.filter(status="confirmed").count() == 1


@pytest.mark.parametrize("field", ["name", "email", "source", "token", "website"])
@pytest.mark.parametrize("value", ["\x00", "\ud800", "x" * 5000, "\u202e", "a@b@c"])
def test_no_value_of_a_field_is_a_server_error(clock, browser, jazz, field, value):
    raw = value.encode("utf-8", "surrogatepass")
    form = {**fields_of(browser.get(path_of(jazz))), **BOB, field: raw}
    clock.shift(timedelta(seconds=10))

    assert browser.post(path_of(jazz), form).status_code in {302, 400}


def test_calendars_link_to_the_page(anyone, jazz):
    calendar = anyone.get(f"/api/events/{jazz.pk}/calendar.ics").content.decode()

    assert f"URL:http://localhost:8000{path_of(jazz)}\r\n" in calendar


def test_the_page_has_a_fixed_number_of_queries(
    clock, browser, jazz, ana, django_assert_num_queries
):
    with django_assert_num_queries(1):
        browser.get(path_of(jazz))
    registered(jazz)
    clock.move_to(datetime(2027, 3, 16, tzinfo=UTC))
    Feedback.objects.create(event=jazz, author=ana, rating=4)
    with django_assert_num_queries(2):
        browser.get(path_of(jazz))
