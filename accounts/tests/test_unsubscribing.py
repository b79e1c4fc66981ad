"""Mails that people no longer want: the link of each mail, for mail programs and for people."""

import re

import pytest
from django.core import mail as django_mail
from django.test import Client

from accounts.models import Notification, Unsubscription, User
from accounts.notifications import notify
from accounts.notifications.unsubscribing import unsubscribe_url
from accounts.services import confirm_email, erase_account
from accounts.tests.test_mailer import deliver, tell

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("note_kinds")]

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def browser() -> Client:
    return Client(enforce_csrf_checks=True, headers={"Origin": "null"})


def link_of(**fields) -> str:
    """The path that a mail of these fields names."""
    row = Notification(**{"kind": "note", "email": "bob@example.com", **fields})
    return unsubscribe_url(row).removeprefix("http://localhost:8000")


def title_of(response) -> str:
    return re.search(r"<h1>([^<]+)</h1>", response.content.decode())[1]


def wanted_by(user: User) -> bool:
    return User.objects.get(pk=user.pk).notification_preferences.get("note", True)


def told() -> list[str]:
    deliver()
    return [mail.to[0] for mail in django_mail.outbox]


def test_following_the_link_changes_nothing(browser, ana):
    for path in (link_of(user=ana), link_of()):
        response = browser.get(path)

        assert response.status_code == 200
        assert title_of(response) == "Stop these e-mails"
        assert "<strong>Notes</strong>" in response.content.decode()
    assert wanted_by(ana)
    assert not Unsubscription.objects.exists()


def test_the_link_of_what_was_stopped_says_so(browser, ana):
    for path in (link_of(user=ana), link_of()):
        browser.post(path, ONE_CLICK)

        assert title_of(browser.get(path)) == "No more of these e-mails"


def test_a_mail_program_unsubscribes_an_account_with_one_click(browser, ana):
    response = browser.post(link_of(user=ana), ONE_CLICK)

    assert response.status_code == 200
    assert not wanted_by(ana)


def test_a_mail_program_unsubscribes_a_guest_with_one_click(browser):
    for _ in range(2):
        response = browser.post(link_of(email="Bob@example.com"), ONE_CLICK)
        assert response.status_code == 200
    tell("bob@example.com")
    tell("ann@example.com")
    tell("bob@example.com", kind="ticket", key="another kind")

    assert sorted(told()) == ["ann@example.com", "bob@example.com"]
    assert Notification.objects.get(kind="note", email="bob@example.com").state == "dropped"


def test_a_person_unsubscribes_with_the_form_and_thinks_again(browser):
    path = link_of()
    token = path.partition("token=")[2]
    assert f'value="{token}"' in browser.get(path).content.decode()

    stopped = browser.post("/unsubscribe/", {"token": token})
    was_stopped = Unsubscription.objects.count()
    again = browser.post("/unsubscribe/", {"token": token, "again": "yes"})

    assert (title_of(stopped), was_stopped) == ("No more of these e-mails", 1)
    assert title_of(again) == "You get these e-mails again"
    assert not Unsubscription.objects.exists()


def test_an_account_thinks_again(browser, ana):
    browser.post(link_of(user=ana), ONE_CLICK)

    browser.post(link_of(user=ana), {"again": "yes"})

    assert wanted_by(ana)


def test_the_link_holds_no_address():
    assert "bob" not in link_of()
    assert "bob" not in str(Unsubscription(address_digest="a" * 64, kind="note"))


def test_a_token_is_for_one_kind_and_one_recipient(browser, ana, olga):
    mine = link_of(user=ana)

    for forged in (
        mine.replace(f"={ana.pk}.", f"={olga.pk}."),
        mine.replace(".note.", ".ticket."),
        link_of(user=ana, kind="secret"),
        link_of(kind="no_such_kind"),
        link_of(user=User(pk=10**9)),
        "/unsubscribe/",
        "/unsubscribe/?token=%00",
        f"/unsubscribe/?token={'x' * 5000}",
        f"/unsubscribe/?token={'9' * 30}.note.{'A' * 43}",
    ):
        assert browser.get(forged).status_code == 400
        assert browser.post(forged, ONE_CLICK).status_code == 400
    assert wanted_by(ana)
    assert wanted_by(olga)


def test_who_has_left_cannot_be_unsubscribed(browser, ana):
    path = link_of(user=ana)
    erase_account(ana)

    assert browser.post(path, ONE_CLICK).status_code == 400
    assert User.objects.get(pk=ana.pk).notification_preferences == {}


def test_what_a_guest_did_not_want_the_account_does_not_want(browser, ana):
    browser.post(link_of(email=ana.email), ONE_CLICK)

    confirm_email(ana)

    assert not wanted_by(ana)
    assert not Unsubscription.objects.exists()


def test_the_end_of_an_account_takes_its_notifications_along(ana):
    notify("note", key="1", email=ana.email, user=ana)

    erase_account(ana)

    assert not Notification.objects.exists()
    assert told() == []


def test_the_page_says_nothing_to_others(browser):
    response = browser.get(link_of())

    assert response["Referrer-Policy"] == "no-referrer"
    assert response["Cache-Control"] == "no-store"
    assert browser.put(link_of()).status_code == 405
