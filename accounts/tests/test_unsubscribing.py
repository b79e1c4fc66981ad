"""The unsubscribe link, for mail clients and for people."""

import re

import pytest
from django.core import mail as django_mail
from django.test import Client

from accounts.links import confirmation_link
from accounts.models import Notification, Unsubscription, User
from accounts.notifications import notify
from accounts.notifications.opt_outs import digest_of, opt_out
from accounts.notifications.preferences import preferences_of
from accounts.notifications.unsubscribing import _SIGNER, unsubscribe_url
from accounts.services import confirm_address, confirm_email, erase_account
from accounts.tests.factories import PASSWORD, UserFactory
from accounts.tests.test_mailer import deliver, enqueue

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("note_kinds")]

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def browser() -> Client:
    return Client(enforce_csrf_checks=True, headers={"Origin": "null"})


def link_of(**fields) -> str:
    """The path of the unsubscribe link of a mail with these fields."""
    user = fields.get("user")
    email = user.email if user else "bob@example.com"
    row = Notification(**{"kind": "note", "email": email, **fields})
    return unsubscribe_url(row).removeprefix("http://localhost:8000")


def title_of(response) -> str:
    return re.search(r"<h1>([^<]+)</h1>", response.content.decode())[1]


def former_link_of(user: User) -> str:
    """The path of a link in mails of earlier versions to accounts."""
    signed = f"{user.pk}.note"
    return f"/unsubscribe/?token={signed}.{_SIGNER.signature(signed)}"


def wanted_by(user: User) -> bool:
    return preferences_of(user)["note"]


def recipients() -> list[str]:
    deliver()
    return [mail.to[0] for mail in django_mail.outbox]


def test_opening_the_link_changes_nothing(browser, ana):
    for path in (link_of(user=ana), link_of()):
        response = browser.get(path)

        assert response.status_code == 200
        assert title_of(response) == "Stop these e-mails"
        assert "<strong>Notes</strong>" in response.content.decode()
    assert wanted_by(ana)
    assert not Unsubscription.objects.exists()


def test_link_of_an_opt_out_shows_it(browser, ana):
    for path in (link_of(user=ana), link_of()):
        browser.post(path, ONE_CLICK)

        assert title_of(browser.get(path)) == "No more of these e-mails"


def test_one_click_unsubscribes_an_account(browser, ana):
    response = browser.post(link_of(user=ana), ONE_CLICK)

    assert response.status_code == 200
    assert not wanted_by(ana)


def test_one_click_unsubscribes_a_guest(browser):
    for _ in range(2):
        response = browser.post(link_of(email="Bob@example.com"), ONE_CLICK)
        assert response.status_code == 200
    enqueue("bob@example.com")
    enqueue("ann@example.com")
    enqueue("bob@example.com", kind="ticket", key="another kind")

    assert sorted(recipients()) == ["ann@example.com", "bob@example.com"]
    assert Notification.objects.get(kind="note", email="bob@example.com").state == "dropped"


def test_form_unsubscribes_and_resubscribes(browser):
    path = link_of()
    token = path.partition("token=")[2]
    assert f'value="{token}"' in browser.get(path).content.decode()

    stopped = browser.post("/unsubscribe/", {"token": token})
    was_stopped = Unsubscription.objects.count()
    again = browser.post("/unsubscribe/", {"token": token, "again": "yes"})

    assert (title_of(stopped), was_stopped) == ("No more of these e-mails", 1)
    assert title_of(again) == "You get these e-mails again"
    assert not Unsubscription.objects.exists()


def test_account_resubscribes(browser, ana):
    browser.post(link_of(user=ana), ONE_CLICK)

    browser.post(link_of(user=ana), {"again": "yes"})

    assert wanted_by(ana)


def test_link_contains_no_address():
    assert "bob" not in link_of()
    assert "bob" not in str(Unsubscription(address_digest="a" * 64, kind="note"))


def test_token_is_for_one_kind_and_one_recipient(browser, ana, olga):
    mine = link_of(user=ana)

    for forged in (
        mine.replace(digest_of(ana.email), digest_of(olga.email)),
        mine.replace(digest_of(ana.email), str(ana.pk)),
        mine.replace(".note.", ".ticket."),
        link_of(user=ana, kind="secret"),
        link_of(kind="no_such_kind"),
        former_link_of(User(pk=10**9)),
        "/unsubscribe/",
        "/unsubscribe/?token=%00",
        f"/unsubscribe/?token={'x' * 5000}",
        f"/unsubscribe/?token={'9' * 30}.note.{'A' * 43}",
    ):
        assert browser.get(forged).status_code == 400
        assert browser.post(forged, ONE_CLICK).status_code == 400
    assert wanted_by(ana)
    assert wanted_by(olga)


def test_link_of_an_earlier_version_identifies_the_account(browser, ana):
    path = former_link_of(ana)

    response = browser.post(path, ONE_CLICK)

    assert response.status_code == 200
    assert not wanted_by(ana)


def test_link_of_an_earlier_version_resubscribes_confirmed_addresses_only(browser, ana):
    opt_out(digest_of(ana.email), ["note"])

    before = browser.post(former_link_of(ana), {"again": "yes"})
    confirm_email(ana)
    after = browser.post(former_link_of(ana), {"again": "yes"})

    assert title_of(before) == "No more of these e-mails"
    assert title_of(after) == "You get these e-mails again"
    assert wanted_by(ana)


def test_link_of_an_earlier_version_ends_with_the_account(browser, ana):
    path = former_link_of(ana)
    erase_account(ana)

    assert browser.post(path, ONE_CLICK).status_code == 400


def test_opt_out_of_a_guest_survives_sign_up_and_confirmation(browser, anyone):
    browser.post(link_of(), ONE_CLICK)

    anyone.post("/api/register/", {"email": "bob@example.com", "password": PASSWORD})
    bob = User.objects.get(email="bob@example.com")
    enqueue("bob@example.com", user=bob, key="before")
    confirm_email(bob)
    enqueue("bob@example.com", user=bob, key="after")
    deliver()

    assert not wanted_by(bob)
    assert set(Notification.objects.filter(kind="note").values_list("state", flat=True)) == {
        "shown"
    }


def test_opt_out_of_an_unconfirmed_account_applies_to_guests(ana, signed_in):
    signed_in(ana).patch("/api/me/", {"notification_preferences": {"note": False}})

    enqueue(ana.email)

    assert recipients() == []


def test_unconfirmed_account_cannot_switch_mails_on(browser, ana, signed_in):
    browser.post(link_of(email=ana.email), ONE_CLICK)

    response = signed_in(ana).patch("/api/me/", {"notification_preferences": {"note": True}})
    enqueue(ana.email, user=ana)

    assert response.status_code == 400
    [error] = response.json()["errors"]
    assert (error["field"], error["code"]) == ("notification_preferences.note", "invalid")
    assert "Confirm your e-mail address first" in error["detail"]
    assert recipients() == []


def test_unconfirmed_account_may_send_unchanged_preferences(ana, signed_in):
    client = signed_in(ana)
    preferences = client.get("/api/me/").json()["notification_preferences"]

    response = client.patch("/api/me/", {"notification_preferences": preferences})

    assert response.status_code == 200
    assert response.json()["notification_preferences"] == preferences


def test_confirmed_owner_switches_mails_on(browser, ana, signed_in):
    browser.post(link_of(email=ana.email), ONE_CLICK)
    confirm_email(ana)

    response = signed_in(ana).patch("/api/me/", {"notification_preferences": {"note": True}})
    enqueue(ana.email)

    assert response.json()["notification_preferences"]["note"] is True
    assert recipients() == [ana.email]


def test_staff_cannot_switch_mails_on(ana, signed_in):
    confirm_email(ana)
    opt_out(digest_of(ana.email), ["note"])
    boss = UserFactory(is_staff=True, is_superuser=True)

    response = signed_in(boss).patch(
        f"/api/users/{ana.pk}/", {"notification_preferences": {"note": True}}
    )

    assert response.status_code == 400
    assert not wanted_by(ana)


def test_opt_out_is_copied_to_a_new_address(ana, signed_in):
    confirm_email(ana)
    client = signed_in(ana)
    client.patch("/api/me/", {"notification_preferences": {"note": False}})
    client.patch("/api/me/", {"email": "ana@example.org"})
    ana.refresh_from_db()
    confirm_address(confirmation_link(ana).partition("token=")[2], by=ana)

    enqueue("ana@example.com", key="1")
    enqueue("ana@example.org", key="2")
    deliver()

    notes = Notification.objects.filter(kind="note")
    assert list(notes.values_list("state", flat=True)) == ["dropped", "dropped"]
    assert client.get("/api/me/").json()["notification_preferences"]["note"] is False


def test_opt_out_applies_to_every_spelling_of_the_mailbox(browser):
    browser.post(link_of(email="bob@m\u00fcller.example"), ONE_CLICK)

    for number, domain in enumerate(("mu\u0308ller.example", "xn--mller-kva.example")):
        enqueue(f"Bob@{domain}", key=str(number))

    assert recipients() == []


def test_opt_out_outlives_the_account(browser, ana):
    confirm_email(ana)
    opt_out(digest_of(ana.email), ["note"])
    address = ana.email

    erase_account(ana)
    enqueue(address)

    assert recipients() == []


def test_end_of_an_account_deletes_its_notifications(ana):
    notify("note", key="1", email=ana.email, user=ana)

    erase_account(ana)

    assert not Notification.objects.exists()
    assert recipients() == []


def test_page_reveals_nothing_without_a_valid_token(browser):
    response = browser.get(link_of())

    assert response["Referrer-Policy"] == "no-referrer"
    assert response["Cache-Control"] == "no-store"
    assert browser.put(link_of()).status_code == 405
