"""The pages that the links in e-mails open."""

import re

import pytest
from django.test import Client

from accounts.links import confirmation_link, recovery_link, reset_link
from accounts.services import confirm_address, confirm_email, edit_profile
from accounts.tests.factories import PASSWORD
from accounts.tests.mailbox import mails_to
from accounts.tests.test_links import NEW_PASSWORD, sign_in, token_in

pytestmark = pytest.mark.django_db

CONFIRM, RESET = "/confirm-address/", "/reset-password/"


@pytest.fixture
def browser() -> Client:
    return Client(enforce_csrf_checks=True, headers={"Origin": "null"})


def title_of(response) -> str:
    return re.search(r"<title>([^<]+)</title>", response.content.decode())[1]


def passwords(password: str = NEW_PASSWORD, again: str | None = None) -> dict[str, str]:
    return {"password": password, "again": password if again is None else again}


def test_confirmation_page_changes_nothing_before_its_form_is_sent(browser, ana):
    link = confirmation_link(ana)

    page = browser.get(link)
    head = browser.head(link)

    ana.refresh_from_db()
    assert (page.status_code, head.status_code) == (200, 200)
    assert title_of(page) == "Confirm your e-mail address"
    assert "ana@example.com" in page.content.decode()
    assert ana.email_verified is False


def test_confirmation_page_confirms(browser, ana):
    form = {"token": token_in(confirmation_link(ana)), "password": PASSWORD}

    response = browser.post(CONFIRM, form, follow=True)

    ana.refresh_from_db()
    assert response.redirect_chain == [("/confirm-address/?done", 302)]
    assert title_of(response) == "Your e-mail address is confirmed"
    assert ana.email_verified


@pytest.mark.parametrize("path", [CONFIRM, RESET])
@pytest.mark.parametrize("token", ["", "x", "1.9999999999." + "A" * 43, "\x00", "x" * 5000])
def test_invalid_link_shows_a_message(browser, ana, path, token):
    for response in (
        browser.get(path, {"token": token}),
        browser.post(path, {"token": token, **passwords()}),
    ):
        assert response.status_code == 400
        assert title_of(response) == "This link does not work"


def test_reset_page_sets_the_password(browser, ana):
    token = token_in(reset_link(ana))
    page = browser.get(reset_link(ana))

    response = browser.post(RESET, {"token": token, **passwords()}, follow=True)

    assert title_of(page) == "Choose a new password"
    assert title_of(response) == "Your new password is set"
    assert sign_in(ana.email, NEW_PASSWORD).status_code == 200
    assert browser.get(RESET, {"token": token}).status_code == 400


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (passwords("a" * 12, "b" * 12), "The two passwords differ."),
        (passwords("password"), "This password is too common."),
        (passwords(""), "This field may not be blank."),
        ({}, "The two passwords differ."),
    ],
)
def test_reset_page_shows_the_errors_of_a_password(browser, ana, typed, message):
    token = token_in(reset_link(ana))

    response = browser.post(RESET, {"token": token, **typed})

    assert response.status_code == 400
    assert title_of(response) == "Please correct: Choose a new password"
    assert f"<p>{message}</p>" in response.content.decode()
    assert browser.get(RESET, {"token": token}).status_code == 200


def test_reset_page_takes_an_account_back(browser, ana):
    ana = confirm_email(ana)
    edit_profile(ana, {"email": "thief@example.org"})
    ana.refresh_from_db()
    confirm_address(token_in(confirmation_link(ana)), by=ana)
    link = recovery_link(ana, "ana@example.com")

    page = browser.get(link)
    browser.post(RESET, {"token": token_in(link), **passwords()})

    assert title_of(page) == "Take your account back"
    assert "ana@example.com" in page.content.decode()
    assert sign_in("ana@example.com", NEW_PASSWORD).status_code == 200


@pytest.mark.parametrize("path", [CONFIRM, RESET])
def test_pages_do_not_leak_their_token(browser, ana, path):
    make = confirmation_link if path == CONFIRM else reset_link

    for response in (browser.get(make(ana)), browser.get(path)):
        assert response["Referrer-Policy"] == "no-referrer"
        assert response["Cache-Control"] == "no-store"
        assert response["X-Robots-Tag"] == "noindex"
        assert "default-src 'self'" in response["Content-Security-Policy"]
        assert "form-action 'self'" in response["Content-Security-Policy"]
        assert response.cookies == {}


@pytest.mark.parametrize("path", [CONFIRM, RESET])
def test_pages_allow_get_and_post_only(browser, path):
    assert browser.put(path).status_code == 405


FORGOTTEN = "/forgotten-password/"


def test_forgotten_password_page_mails_a_link(browser, ana):
    known = browser.post(FORGOTTEN, {"email": " ANA@example.com "}, follow=True)
    unknown = browser.post(FORGOTTEN, {"email": "nobody@example.com"}, follow=True)

    assert title_of(known) == "Look into your mailbox"
    assert known.content == unknown.content
    assert [mail.subject for mail in mails_to(ana.email)] == ["Choose a new password"]
    assert mails_to("nobody@example.com") == []


@pytest.mark.parametrize("email", ["", "x", "a\x00@example.com", "x" * 300 + "@example.com"])
def test_forgotten_password_page_requires_an_address(browser, db, email):
    response = browser.post(FORGOTTEN, {"email": email})

    assert response.status_code == 400
    assert title_of(response) == "Please correct: Forgotten password"


def test_forgotten_password_page_has_a_limit(browser, db, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "password_reset": (1, 60)}
    browser.post(FORGOTTEN, {"email": "ana@example.com"})

    response = browser.post(FORGOTTEN, {"email": "bob@example.com"})

    assert response.status_code == 429
    assert 1 <= int(response["Retry-After"]) <= 61
    assert title_of(response) == "Too many requests"


@pytest.mark.parametrize("path", [FORGOTTEN, RESET, "/confirm-address/", "/unsubscribe/"])
def test_pages_have_the_limit_of_anonymous_requests(browser, db, settings, path):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "anonymous": (2, 60)}

    codes = [browser.get(path, {"token": "x"}).status_code for _ in range(3)]

    assert codes[2] == 429
    assert 429 not in codes[:2]


def test_expired_link_leads_to_a_new_one(browser, db):
    assert f'href="{FORGOTTEN}"' in browser.get(RESET).content.decode()
