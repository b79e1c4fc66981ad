"""A stranger who signs up with an address gains nothing when its owner confirms it."""

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.links import confirmation_link
from accounts.models import SignInFailures, User
from accounts.services import confirm_email
from accounts.tests.factories import PASSWORD
from accounts.tests.test_links import NEW_PASSWORD, assert_refused, sign_in, token_in, verify
from accounts.tests.test_pages import CONFIRM, passwords, title_of
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db

VICTIM = "victim@example.com"


@pytest.fixture
def browser() -> Client:
    return Client(enforce_csrf_checks=True, headers={"Origin": "null"})


@pytest.fixture
def attacker(anyone) -> APIClient:
    """A signed-in client that signed up with another person's address."""
    made = anyone.post("/api/register/", {"email": VICTIM, "password": PASSWORD}).json()
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {made['access']}")
    client.refresh_token = made["refresh"]
    client.calendar_url = client.get("/api/me/").json()["calendar_url"]
    return client


@pytest.fixture
def account(attacker) -> User:
    return User.objects.get(email=VICTIM)


@pytest.fixture
def token(account) -> str:
    """The token of the mail to the address."""
    return token_in(confirmation_link(account))


@pytest.fixture
def pending_token(ana, signed_in) -> str:
    """ana has a confirmed address, and a pending change to another person's."""
    confirm_email(ana)
    signed_in(ana).patch("/api/me/", {"email": VICTIM})
    ana.refresh_from_db()
    return token_in(confirmation_link(ana))


def errors_of(response) -> list[tuple[str, str]]:
    return [(error["field"], error["code"]) for error in response.json()["errors"]]


def listed(client: APIClient) -> list[str]:
    return [row["email"] for row in client.get("/api/me/registrations/").json()["results"]]


def is_shut_out(attacker: APIClient) -> bool:
    refresh = {"refresh": attacker.refresh_token}
    answers = (
        attacker.get("/api/me/registrations/"),
        APIClient().post("/api/token/refresh/", refresh),
        APIClient().get(attacker.calendar_url),
    )
    return [answer.status_code for answer in answers] == [401, 401, 404]


# --- a first confirmation ---


def test_first_confirmation_by_the_link_alone_ends_every_session(event, attacker, token):
    registered(event, email=VICTIM)

    response = verify(token)

    assert response.status_code == 200
    assert response.json()["email_verified"] is True
    assert is_shut_out(attacker)


def test_guest_registrations_join_with_the_confirmation(event, signed_in, account, token):
    registered(event, email=VICTIM)
    before = listed(signed_in(account))

    verify(token)

    account.refresh_from_db()
    assert before == []
    assert listed(signed_in(account)) == [VICTIM]


def test_first_confirmation_from_an_own_session_ends_no_session(event, attacker, token):
    registered(event, email=VICTIM)

    response = attacker.post("/api/email/verify/", {"token": token})

    assert response.status_code == 200
    assert listed(attacker) == [VICTIM]


def test_first_confirmation_with_the_password_ends_no_session(anyone, attacker, token):
    response = anyone.post("/api/email/verify/", {"token": token, "password": PASSWORD})

    assert response.status_code == 200
    assert attacker.get("/api/me/").json()["email_verified"] is True
    assert anyone.get(attacker.calendar_url).status_code == 200


def test_first_confirmation_from_another_accounts_session_ends_sessions(
    max_, signed_in, attacker, token
):
    client = signed_in(max_)

    response = client.post("/api/email/verify/", {"token": token})

    assert response.status_code == 200
    assert is_shut_out(attacker)
    assert client.get("/api/me/").status_code == 200


def test_first_confirmation_with_a_wrong_password_changes_nothing(anyone, attacker, token):
    wrong = anyone.post("/api/email/verify/", {"token": token, "password": "wrong"})
    right = anyone.post("/api/email/verify/", {"token": token, "password": PASSWORD})

    assert (wrong.status_code, errors_of(wrong)) == (400, [("password", "wrong_password")])
    assert right.status_code == 200
    assert attacker.get("/api/me/").status_code == 200


def test_first_confirmation_by_staff_ends_every_session(attacker, account):
    confirm_email(account)

    assert is_shut_out(attacker)


def test_expired_sign_in_is_refused_and_leaves_the_link_usable(attacker, token):
    """Otherwise the confirmation would count as one without a sign-in, and end the session."""
    stale = APIClient()
    stale.credentials(HTTP_AUTHORIZATION="Bearer stale")

    refused = stale.post("/api/email/verify/", {"token": token})
    confirmed = attacker.post("/api/email/verify/", {"token": token})

    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")
    assert confirmed.status_code == 200
    assert attacker.get("/api/me/").status_code == 200


# --- a pending change ---


@pytest.mark.parametrize("who", ["nobody", "a stranger"])
def test_pending_change_is_not_confirmed_by_its_link_alone(
    anyone, max_, ana, event, signed_in, pending_token, who
):
    registered(event, email=VICTIM)
    client = anyone if who == "nobody" else signed_in(max_)

    response = client.post("/api/email/verify/", {"token": pending_token})

    assert (response.status_code, errors_of(response)) == (400, [("password", "required")])
    ana.refresh_from_db()
    assert (ana.email, ana.pending_email) == ("ana@example.com", VICTIM)
    assert listed(signed_in(ana)) == []


def test_pending_change_is_confirmed_by_its_signed_in_owner(ana, signed_in, pending_token):
    client = signed_in(ana)

    response = client.post("/api/email/verify/", {"token": pending_token})

    assert response.json()["email"] == VICTIM
    assert client.get("/api/me/").json()["pending_email"] is None


def test_pending_change_is_confirmed_with_the_password(anyone, ana, signed_in, pending_token):
    client = signed_in(ana)

    wrong = anyone.post("/api/email/verify/", {"token": pending_token, "password": "wrong"})
    right = anyone.post("/api/email/verify/", {"token": pending_token, "password": PASSWORD})

    assert errors_of(wrong) == [("password", "wrong_password")]
    assert right.json()["email"] == VICTIM
    assert client.get("/api/me/").json()["email"] == VICTIM


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
def test_guesses_of_the_password_are_delayed(anyone, ana, settings, pending_token, headers):
    """The owner of the new mailbox may not be the owner of the account."""
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "login": (1000, 60)}
    settings.SIGN_IN_FAILURES = 2
    body = {"token": pending_token, "password": "wrong"}

    statuses = [
        anyone.post("/api/email/verify/", body, headers=headers).status_code for _ in range(4)
    ]

    assert statuses == [400, 400, 429, 429]
    assert SignInFailures.objects.exists()


@pytest.mark.parametrize("body", ["5", "null", "[]", '"password"', '{"token": 5}', "{"])
def test_invalid_body_is_refused_with_an_idempotency_key(anyone, db, body):
    response = anyone.generic(
        "POST",
        "/api/email/verify/",
        body,
        content_type="application/json",
        headers={"Idempotency-Key": "k"},
    )

    assert response.status_code == 400


# --- the page behind the link ---


def test_page_confirms_with_the_password_without_ending_sessions(browser, attacker, token):
    response = browser.post(CONFIRM, {"token": token, "password": PASSWORD}, follow=True)

    assert response.redirect_chain == [("/confirm-address/?done", 302)]
    assert "signed out" not in response.content.decode()
    assert attacker.get("/api/me/").json()["email_verified"] is True


def test_page_confirms_with_a_new_password_and_ends_other_access(browser, event, attacker, token):
    registered(event, email=VICTIM)

    response = browser.post(CONFIRM, {"token": token, "new": "yes", **passwords()}, follow=True)

    assert response.redirect_chain == [("/confirm-address/?done=password", 302)]
    assert title_of(response) == "Your e-mail address is confirmed"
    assert "Sign in with the new password." in response.content.decode()
    assert is_shut_out(attacker)
    assert sign_in(VICTIM).status_code == 401
    assert sign_in(VICTIM, NEW_PASSWORD).json()["user"]["email_verified"] is True
    assert_refused(verify(token))


def test_confirmation_with_a_new_password_ends_sessions_once(browser, account, token):
    calendar_generation = account.calendar_generation

    browser.post(CONFIRM, {"token": token, "new": "yes", **passwords()})

    account.refresh_from_db()
    assert account.token_generation == 2
    assert account.calendar_generation == calendar_generation + 1


@pytest.mark.parametrize(
    ("form", "mistake"),
    [
        ({"password": "wrong"}, "This is not the account&#x27;s password."),
        ({"password": ""}, "This field may not be blank."),
        ({"new": "yes", **passwords("a" * 12, "b" * 12)}, "The two passwords differ."),
        ({"new": "yes", **passwords("password")}, "This password is too common."),
    ],
)
def test_page_shows_errors_and_confirms_nothing(browser, account, token, form, mistake):
    response = browser.post(CONFIRM, {"token": token, **form})

    account.refresh_from_db()
    assert response.status_code == 400
    assert title_of(response) == "Please correct: Confirm your e-mail address"
    assert f"<p>{mistake}</p>" in response.content.decode()
    assert account.email_verified is False


def test_page_of_a_pending_change_offers_no_new_password(browser, ana, pending_token):
    link = {"token": pending_token}
    page = browser.get(CONFIRM, link).content.decode()
    missing = browser.post(CONFIRM, link)
    new = browser.post(CONFIRM, {**link, "new": "yes", **passwords()})
    ana.refresh_from_db()
    unchanged = ana.email

    right = browser.post(CONFIRM, {**link, "password": PASSWORD}, follow=True)

    ana.refresh_from_db()
    assert VICTIM in page
    assert 'id="new"' not in page
    assert (missing.status_code, new.status_code, unchanged) == (400, 400, "ana@example.com")
    assert title_of(right) == "Your e-mail address is confirmed"
    assert (ana.email, ana.check_password(PASSWORD)) == (VICTIM, True)


def test_form_with_the_token_alone_confirms_and_ends_every_session(browser, account, token):
    """As the API does."""
    response = browser.post(CONFIRM, {"token": token}, follow=True)

    account.refresh_from_db()
    assert response.redirect_chain == [("/confirm-address/?done=signed-out", 302)]
    assert "is signed out" in response.content.decode()
    assert (account.email_verified, account.token_generation) == (True, 2)
