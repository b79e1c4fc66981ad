"""The admin's page of notifications."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import Notification, User
from accounts.notifications import notify
from accounts.tests.factories import UserFactory

pytestmark = pytest.mark.usefixtures("note_kinds")

LIST = "/admin/accounts/notification/"


@pytest.fixture
def root(db) -> Client:
    client = Client()
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def parked(db) -> Notification:
    notify("note", key="parked", email="gone@example.com")
    Notification.objects.update(state="parked", attempts=8, error="Refused: 550 No such person")
    return Notification.objects.get()


def send_again(client: Client, *rows: Notification):
    data = {"action": "send_selected_again", "_selected_action": [row.pk for row in rows]}
    return client.post(LIST, data, follow=True).content.decode()


def test_parked_notification_is_listed_with_its_error(root, parked):
    notify("note", key="other", email="bob@example.com")

    listed = root.get(f"{LIST}?state__exact=parked&kind=note").content.decode()
    matches = root.get(f"{LIST}?q=GONE@example.com").content.decode()
    page = root.get(f"{LIST}{parked.pk}/change/")

    assert "Refused: 550 No such person" in listed
    assert "bob@example.com" not in listed + matches
    assert page.status_code == 200
    assert b'name="_save"' not in page.content


def test_parked_notification_is_sent_again(root, parked):
    notify("note", key="sent", email="bob@example.com")
    Notification.objects.filter(key="sent").update(state="sent")

    answer = send_again(root, *Notification.objects.all())

    parked.refresh_from_db()
    assert "Will send again 1 notification." in answer
    assert (parked.state, parked.attempts) == ("pending", 0)
    assert Notification.objects.get(key="sent").state == "sent"


def test_viewer_cannot_send_again(sam: User, parked):
    sam.user_permissions.set(Permission.objects.filter(codename="view_notification"))
    client = Client()
    client.force_login(sam)

    assert "gone@example.com" in client.get(LIST).content.decode()
    send_again(client, parked)

    parked.refresh_from_db()
    assert parked.state == "parked"
