"""Mails that anyone can request: one in a quarter of an hour, and one response for all.

`COOLDOWN` is a quarter of an hour.
"""

import pytest
from rest_framework.test import APIClient

from accounts.models import Notification
from accounts.services import confirm_email, set_password
from accounts.tests.factories import UserFactory
from accounts.tests.mailbox import mails_to
from accounts.tests.test_links import NEW_PASSWORD, reset
from conftest import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _limits(clock, settings):
    limits = {"password_reset": (10, 60), "mails": (10, 3600), "user": (3000, 60)}
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, **limits}


def ask(email: str, address: str = "192.0.2.1") -> int:
    body = {"email": email}
    return APIClient().post("/api/password/reset/", body, REMOTE_ADDR=address).status_code


def number_of_mails(email: str) -> int:
    return len(mails_to(email))


def test_requests_of_strangers_do_not_suppress_a_reset(ana):
    strangers = {ask(ana.email, f"198.51.100.{number}") for number in range(50)}

    answer = ask(ana.email)

    assert (strangers, answer) == ({202}, 202)
    [mail] = mails_to(ana.email)
    assert reset(mail.token).status_code == 204


@pytest.mark.parametrize("shift", [0, 1, 601, 899])
def test_request_within_the_cooldown_sends_no_mail(clock, ana, shift):
    clock.shift(450)  # the middle of a quarter of an hour
    ask(ana.email)
    clock.shift(shift)

    assert ask(ana.email, "198.51.100.9") == 202

    assert number_of_mails(ana.email) == 1


def test_request_after_the_cooldown_sends_a_mail(clock, ana):
    ask(ana.email)
    clock.shift(15 * 60)

    ask(ana.email)

    assert number_of_mails(ana.email) == 2


def test_continuous_requests_send_four_mails_an_hour(clock, ana):
    for _ in range(120):
        ask(ana.email, "198.51.100.9")
        clock.shift(30)

    assert number_of_mails(ana.email) == 4


def test_unknown_address_gets_the_same_response_and_row(ana):
    counts = []
    for email in (ana.email, "nobody@example.com"):
        before = Notification.objects.count()
        statuses = [ask(email), ask(email)]
        counts.append((statuses, Notification.objects.count() - before))

    assert counts[0] == counts[1] == ([202, 202], 1)


def resets_to(email: str) -> list:
    return [mail for mail in mails_to(email) if mail.subject == "Choose a new password"]


def test_ended_link_is_replaced_at_once(ana):
    confirm_email(ana)
    ask(ana.email)
    set_password(ana, NEW_PASSWORD)

    ask(ana.email)

    assert len(resets_to(ana.email)) == 2
    token = resets_to(ana.email)[-1].token
    assert reset(token, "yet-another-battery-8").status_code == 204


def test_link_ended_by_the_confirmation_is_replaced_at_once(ana):
    ask(ana.email)
    confirm_email(ana)

    ask(ana.email)

    assert len(resets_to(ana.email)) == 2


def test_password_change_of_an_unconfirmed_account_sends_no_link(ana):
    ask(ana.email)
    set_password(ana, NEW_PASSWORD)

    ask(ana.email)

    [mail] = resets_to(ana.email)
    assert reset(mail.token, "yet-another-battery-8").status_code == 204


def test_password_changes_have_a_cooldown_for_an_unconfirmed_address(ana):
    for number in range(4):
        set_password(ana, f"{NEW_PASSWORD}-{number}")

    assert number_of_mails(ana.email) == 1


def test_each_password_change_is_mailed_to_a_confirmed_address(ana):
    confirm_email(ana)
    for number in range(4):
        set_password(ana, f"{NEW_PASSWORD}-{number}")

    assert number_of_mails(ana.email) == 4


def test_requests_beyond_the_limit_are_refused_for_their_account_only(ana):
    codes = [ask(f"somebody{number}@example.com", "198.51.100.9") for number in range(11)]

    assert codes == [202] * 10 + [429]
    assert ask(ana.email) == 202


def test_requests_of_strangers_do_not_suppress_a_confirmation(ana, signed_in):
    for _ in range(9):  # accounts of strangers with the address
        stranger = signed_in(UserFactory(email_verified_at=NOW))
        stranger.patch("/api/me/", {"email": "own@example.org"})
        stranger.post("/api/email/verify/resend/")
    strangers = number_of_mails("own@example.org")
    client = signed_in(ana)
    client.patch("/api/me/", {"email": "own@example.org"})

    codes = {client.post("/api/email/verify/resend/").status_code for _ in range(5)}

    assert codes == {202}
    assert strangers == 18
    assert number_of_mails("own@example.org") == 20  # that of the change, and one more
