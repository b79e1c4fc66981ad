import pytest
from django.test import Client

from accounts.tests.factories import UserFactory
from events.models import Event, Series
from events.tests.factories import SeriesFactory
from registrations.tests.factories import registered

LIST = "/admin/events/series/"

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def client(db, clock) -> Client:
    client = Client()
    client.force_login(UserFactory(username="root", is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def series(olga) -> Series:
    return SeriesFactory(organizer=olga, name="Yoga")


def act(client: Client, action: str, *rows: Series, **answers: str) -> list[str]:
    data = {"action": action, "_selected_action": [row.pk for row in rows], **answers}
    response = client.post(LIST, data, follow=True)
    return [str(message) for message in response.context["messages"]]


def test_a_series_is_shown_with_a_link_to_its_events(client, series):
    page = client.get(f"{LIST}{series.pk}/change/").content.decode()

    assert client.get(LIST).status_code == 200
    link = f"/admin/events/event/?series__id__exact={series.pk}"
    assert f'<a href="{link}">3</a>' in page
    assert client.get(link).context["cl"].result_count == 3
    assert "FREQ=WEEKLY;COUNT=3" in page


def test_a_series_is_edited_elsewhere(client, series):
    response = client.post(f"{LIST}{series.pk}/change/", {"name": "Pilates"})

    series.refresh_from_db()
    assert (response.status_code, series.name) == (403, "Yoga")
    assert client.get(f"{LIST}add/").status_code == 403


def test_a_series_is_ended_with_its_events(client, series):
    booked = registered(series.events.earliest("start_time")).event

    question = client.get(f"{LIST}{series.pk}/delete/").content.decode()
    client.post(f"{LIST}{series.pk}/delete/", {"post": "yes"})

    booked.refresh_from_db()
    series.refresh_from_db()
    assert "End the series “Yoga”?" in question
    assert booked.status == "cancelled"
    assert list(Event.objects.existing()) == [booked]
    assert series.deleted_at is not None
    assert client.get(f"{LIST}{series.pk}/delete/").status_code == 403


def test_series_are_published_and_ended_by_actions(client, olga, series):
    draft = SeriesFactory(organizer=olga, status="draft")

    assert act(client, "publish_selected", draft, series) == ["Published 1 series."]
    assert act(client, "delete_selected", draft, series) == []
    assert Series.objects.existing().count() == 2
    assert act(client, "delete_selected", draft, series, confirmed="yes") == ["Ended 2 series."]

    assert Series.objects.existing().count() == 0
    assert Event.objects.existing().count() == 0
