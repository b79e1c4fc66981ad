"""The first page of the admin, and the panels on the page of an event."""

import re
from datetime import date, timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import Notification, User
from accounts.tests.factories import UserFactory, grant
from config.api.sql.time_limits import TookTooLong
from conftest import NOW
from events.tests.factories import EventFactory
from registrations.admin import charts, dashboard
from registrations.models import Registration, WebhookDelivery
from registrations.services import cancel_registration, check_in
from registrations.tests.factories import WebhookFactory, registered

from .test_page_questions import asked

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def root(db) -> User:
    return UserFactory(username="root", is_staff=True, is_superuser=True, timezone="Asia/Kolkata")


@pytest.fixture
def client(root) -> Client:
    client = Client()
    client.force_login(root)
    return client


def fail_job(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, args, status)"
            " VALUES ('default', %s, '{}', 'failed')",
            [name],
        )


def park_mail(number: int) -> None:
    Notification.objects.create(
        kind="registration_confirmed",
        key=f"parked:{number}",
        email="bob@example.com",
        state=Notification.State.PARKED,
        error="The mail server refused it.",
    )


def fail_delivery(user: User) -> None:
    WebhookDelivery.objects.create(
        webhook=WebhookFactory(user),
        type="event.edited",
        state=WebhookDelivery.State.FAILED,
        created_at=NOW,  # the clock of the database is not frozen
    )


LUNCH = {"key": "lunch", "label": "Lunch", "type": "boolean"}
SONG = {"key": "song", "label": "Song", "type": "text"}


def lines_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_people_are_counted_by_the_days_of_the_staff_member(client, event):
    late = registered(event)
    # 20:00 UTC is the next day in Kolkata.
    Registration.objects.filter(pk=late.pk).update(registered_at=NOW - timedelta(hours=16))
    early = registered(event)
    Registration.objects.filter(pk=early.pk).update(registered_at=NOW - timedelta(hours=20))
    old = registered(event)
    Registration.objects.filter(pk=old.pk).update(registered_at=NOW - timedelta(days=40))

    text = lines_of(client.get("/admin/").content.decode())

    assert "2 people registered in the last 30 days" in text
    assert "Thu 14 Jan 2027 1 Fri 15 Jan 2027 1" in text


def test_the_next_events_show_their_seats_and_local_times(client, olga):
    event = EventFactory(
        organizer=olga, name="Gala", max_capacity=2, waitlist_enabled=True,
        start_time=NOW + timedelta(days=2),
    )  # fmt: skip
    for _ in range(3):
        registered(event)
    EventFactory(name="Draft", status="draft")

    page = client.get("/admin/").content.decode()

    assert "Gala Sun 17 Jan, 17:30 2 of 2 1 waiting" in lines_of(page)
    assert "Draft" not in page
    assert '<rect width="100" height="8">' in page


def test_failures_are_shown(client, olga):
    fail_job("events.tasks.fill_series")
    park_mail(1)
    fail_delivery(olga)

    text = lines_of(client.get("/admin/").content.decode())

    assert "Workers 0 Look at this" in text
    assert "events.tasks.fill_series" in text
    assert "Given up 1 Look at this" in text
    assert "The mail server refused it." in text
    assert "Failed in 24 hours 1 Look at this" in text
    assert "event.edited" in text


def test_staff_see_the_parts_that_they_may_view(sam):
    client = Client()
    client.force_login(sam)

    bare = client.get("/admin/").content.decode()
    grant(sam, "events.view_event")
    with_events = client.get("/admin/").content.decode()

    assert "<section" not in bare
    assert re.findall(r'<h2 id="(\w+)-title">', with_events) == ["fills"]


def test_the_first_page_costs_the_same_for_more_rows(client, event, django_assert_num_queries):
    fail_job("one")
    park_mail(1)
    fail_delivery(event.organizer)
    registered(event)
    client.get("/admin/")
    cache.clear()
    with CaptureQueriesContext(connection) as queries:
        client.get("/admin/")

    for number in (2, 3):
        fail_job("more")
        park_mail(number)
        fail_delivery(UserFactory())
        registered(EventFactory())
    cache.clear()

    with django_assert_num_queries(len(queries)):
        client.get("/admin/")
    assert ProcrastinateJob.objects.filter(status="failed").count() == 3


def test_registrations_are_counted_once_a_minute(client, event):
    registered(event)
    client.get("/admin/")
    registered(event)

    text = lines_of(client.get("/admin/").content.decode())

    assert "1 person registered" in text


def test_a_count_that_takes_too_long_is_left_out(client, monkeypatch):
    def time_out(first, zone):
        raise TookTooLong

    monkeypatch.setattr(dashboard, "_registered_by_day", time_out)

    text = lines_of(client.get("/admin/").content.decode())

    assert "Counting them takes too long here." in text
    assert "The next events" in text


@pytest.mark.parametrize(
    ("number", "top"),
    [(0, 1), (1, 1), (2, 2), (3, 5), (11, 20), (50, 50), (51, 100), (232, 250), (999, 1000)],
)
def test_the_scale_of_the_chart_is_round(number, top):
    assert charts._round_above(number) == top


def test_a_chart_of_many_days_has_bars_of_several_days():
    days = [(date(2027, 1, 1) + timedelta(days=number), 1) for number in range(100)]

    chart = charts.chart_of(days)

    assert [bar.people for bar in chart.bars] == [2] * 50
    assert (chart.bars[1].day, chart.is_daily, chart.total) == (date(2027, 1, 3), False, 100)
    assert sum(bar.has_label for bar in chart.bars) == 5
    assert chart.bars[-1].x + chart.bars[-1].width <= charts.WIDTH


def test_charts_need_no_exception_of_the_policy(client, event):
    registered(event)

    for path in ("/admin/", f"/admin/events/event/{event.pk}/change/"):
        page = client.get(path)

        assert "unsafe" not in page["Content-Security-Policy"]
        assert re.findall(r"<svg[^>]* style=|<rect[^>]* style=", page.content.decode()) == []


# --- the page of an event ---


def test_the_page_of_an_event_shows_its_statistics_and_ledger(client, olga):
    event = EventFactory(
        organizer=olga, max_capacity=3, waitlist_enabled=True, max_party_size=4, created_at=NOW
    )
    asked(event, LUNCH, SONG)
    answers = {"lunch": True, "song": "La Paloma"}
    party = registered(event, name="Ann", party_size=2, answers=answers)
    cancel_registration(registered(event, name="Bob"))
    registered(event, name="Zoë")
    registered(event, name="Wendy")
    check_in(event, party.ticket_code, by=olga, count=1)

    text = lines_of(client.get(f"/admin/events/event/{event.pk}/change/").content.decode())

    assert "Registered by day 5 0" in text
    assert "Fri 15 Jan 2027 5" in text
    assert "Lunch (1 answered) Answer People Yes 1 No 0" in text
    assert "Song (1 answered)" in text
    assert "La Paloma" not in text
    assert "Registered 5 On the waitlist 1 Cancelled 1 Have a seat 3 Checked in 1" in text
    assert "2027-01-15 17:30 Checked In Ann olga By Organizer" in text
    assert "2027-01-15 17:30 Registered (2 people) Ann guest or system By Guest" in text


def test_the_statistics_and_the_ledger_need_the_right_to_view_registrations(sam, event):
    grant(sam, "events.view_event")
    registered(event, name="Ann Lee")
    client = Client()
    client.force_login(sam)
    path = f"/admin/events/event/{event.pk}/change/"

    without = client.get(path).content.decode()
    grant(sam, "registrations.view_registration")
    with_right = client.get(path).content.decode()

    assert "Ann Lee" not in without
    assert "Funnel" not in without
    assert "Ann Lee" in with_right


def test_the_page_of_an_event_costs_the_same_for_more_people(
    client, event, ana, django_assert_num_queries
):
    registered(event, user=ana, email=ana.email, registered_by=ana)
    path = f"/admin/events/event/{event.pk}/change/"
    client.get(path)
    with CaptureQueriesContext(connection) as queries:
        client.get(path)
    for user in UserFactory.create_batch(2):
        registered(event, user=user, email=user.email, registered_by=user)

    with django_assert_num_queries(len(queries)):
        client.get(path)


def test_history_is_in_the_zone_of_the_staff_member(client, event):
    client.post(
        "/admin/events/event/",
        {"action": "cancel_events", "_selected_action": [event.pk], "confirmed": "yes"},
    )

    text = lines_of(client.get(f"/admin/events/event/{event.pk}/history/").content.decode())

    assert "When (Asia/Kolkata)" in text
    assert "2027-01-15 17:30:00 root cancelled" in text
