"""Mails of account security: recipients and links."""

import json

import pytest

from accounts.links import confirmation_link
from accounts.models import Notification, User
from accounts.services import confirm_address, confirm_email
from accounts.tests.factories import PASSWORD, grant
from accounts.tests.mailbox import mails_to
from accounts.tests.test_links import (
    NEW,
    NEW_PASSWORD,
    assert_refused,
    reset,
    sign_in,
    token_in,
    verify,
)

pytestmark = pytest.mark.django_db


def subjects(address: str) -> list[str]:
    return [mail.subject for mail in mails_to(address)]


def forget(anyone, email: str):
    return anyone.post("/api/password/reset/", {"email": email})


@pytest.fixture
def confirmed_ana(clock, ana) -> User:
    return confirm_email(ana)


def test_sign_up_sends_a_link_that_confirms(anyone):
    anyone.post("/api/register/", {"email": "Bob@Example.com", "password": PASSWORD})

    [mail] = mails_to("bob@example.com")
    assert mail.subject == "Confirm your e-mail address"
    assert mail.links == [f"http://localhost:8000/confirm-address/?token={mail.token}"]
    assert mail.links[0] in mail.html
    assert verify(mail.token).json()["email_verified"] is True
    assert mails_to("bob@example.com") == []  # the address is confirmed


def test_refused_sign_up_sends_nothing(anyone, ana):
    anyone.post("/api/register/", {"email": ana.email, "password": PASSWORD})

    assert Notification.objects.count() == 0


def test_link_is_sent_again_until_the_address_is_confirmed(ana, signed_in):
    client = signed_in(ana)

    client.post("/api/email/verify/resend/")
    [mail] = mails_to(ana.email)
    verify(mail.token, password=PASSWORD)
    again = client.post("/api/email/verify/resend/")

    assert again.status_code == 202
    assert Notification.objects.count() == 1


def test_reset_is_mailed_to_existing_accounts_only(anyone, ana):
    forget(anyone, "ANA@example.com")
    forget(anyone, "nobody@example.com")

    [mail] = mails_to(ana.email)
    assert mail.subject == "Choose a new password"
    assert mails_to("nobody@example.com") == []
    assert reset(mail.token).status_code == 204
    assert subjects(ana.email)[-1] == "Your password was changed"


def test_reset_request_does_the_same_work_without_an_account(
    anyone, ana, django_assert_num_queries
):
    with django_assert_num_queries(2) as known:
        forget(anyone, ana.email)
    with django_assert_num_queries(2) as unknown:
        forget(anyone, "and@example.com")

    for looked_up, inserted in (known.captured_queries, unknown.captured_queries):
        assert looked_up["sql"].startswith('SELECT 1 AS "a" FROM "accounts_notification"')
        assert inserted["sql"].startswith('INSERT INTO "accounts_notification"')


def test_deactivated_account_gets_no_mail(anyone, ana):
    User.objects.filter(pk=ana.pk).update(is_active=False)

    forget(anyone, ana.email)

    assert mails_to(ana.email) == []


def test_new_address_gets_a_confirmation_and_the_former_one_a_notice(confirmed_ana, signed_in):
    signed_in(confirmed_ana).patch("/api/me/", {"email": NEW})

    [at_new], [at_old] = mails_to(NEW), mails_to("ana@example.com")
    assert at_new.subject == "Confirm your e-mail address"
    assert at_old.subject == "Your e-mail address is about to change"
    assert NEW not in at_old.text + at_old.html
    assert verify(at_new.token, password=PASSWORD).json()["email"] == NEW


def test_notice_of_a_change_takes_the_account_back(confirmed_ana, signed_in):
    signed_in(confirmed_ana).patch("/api/me/", {"email": NEW})
    before = mails_to("ana@example.com")[0].token
    verify(mails_to(NEW)[0].token, password=PASSWORD)

    first, second = mails_to("ana@example.com")

    assert first.subject == second.subject == "Your e-mail address was changed"
    assert before == first.token == second.token  # at the same time
    assert reset(before).status_code == 204
    assert sign_in("ana@example.com", NEW_PASSWORD).status_code == 200
    assert_refused(reset(second.token))


def test_recovery_ends_the_calendar_link(confirmed_ana, signed_in, anyone):
    stolen = signed_in(confirmed_ana).get("/api/me/").json()["calendar_url"]
    signed_in(confirmed_ana).patch("/api/me/", {"email": NEW})
    assert anyone.get(stolen).status_code == 200

    reset(mails_to("ana@example.com")[0].token)

    assert anyone.get(stolen).status_code == 404


def test_notice_to_an_unconfirmed_address_has_no_recovery_link(ana, signed_in):
    signed_in(ana).patch("/api/me/", {"email": NEW})

    [mail] = mails_to("ana@example.com")
    assert mail.subject == "Your e-mail address was changed"
    assert mail.links == []


@pytest.mark.parametrize("is_confirmed", [True, False])
def test_change_by_staff_mails_a_recovery_link_to_the_former_address(
    ana, sam, signed_in, is_confirmed
):
    if is_confirmed:
        confirm_email(ana)
    staff = signed_in(grant(sam, "accounts.change_user"))

    staff.patch(f"/api/users/{ana.pk}/", {"email": NEW})

    [at_new], [at_old] = mails_to(NEW), mails_to("ana@example.com")
    assert at_old.subject == "Your e-mail address is about to change"
    assert NEW not in at_old.text + at_old.html
    assert reset(at_old.token).status_code == 204
    assert sign_in("ana@example.com", NEW_PASSWORD).status_code == 200
    assert_refused(verify(at_new.token, password=PASSWORD))


def test_recovery_link_of_a_change_by_staff_survives_its_confirmation(
    confirmed_ana, sam, signed_in
):
    staff = signed_in(grant(sam, "accounts.change_user"))
    staff.patch(f"/api/users/{confirmed_ana.pk}/", {"email": NEW})
    confirmed_ana.refresh_from_db()
    confirm_address(token_in(confirmation_link(confirmed_ana)), by=confirmed_ana)

    way_back = mails_to("ana@example.com")[0]

    assert way_back.subject == "Your e-mail address was changed"
    assert reset(way_back.token).status_code == 204
    assert sign_in("ana@example.com", NEW_PASSWORD).status_code == 200


@pytest.mark.parametrize("is_confirmed", [True, False])
def test_staff_cannot_take_an_account_over_by_its_address(
    ana, anyone, sam, signed_in, is_confirmed
):
    if is_confirmed:
        confirm_email(ana)
    staff = signed_in(grant(sam, "accounts.change_user"))

    staff.patch(f"/api/users/{ana.pk}/", {"email": NEW})
    forget(anyone, NEW)

    assert subjects(NEW) == ["Confirm your e-mail address"]


def test_repeated_change_to_one_address_sends_one_notice(confirmed_ana, signed_in):
    for _ in range(2):
        signed_in(confirmed_ana).patch("/api/me/", {"email": NEW})

    assert (len(mails_to(NEW)), len(mails_to("ana@example.com"))) == (1, 1)


def test_withdrawn_change_sends_no_link(confirmed_ana, signed_in):
    client = signed_in(confirmed_ana)
    client.patch("/api/me/", {"email": NEW})

    client.patch("/api/me/", {"email": "ana@example.com"})

    assert mails_to(NEW) == []


def test_password_change_is_mailed(ana, signed_in):
    body = {"current_password": PASSWORD, "password": NEW_PASSWORD}

    signed_in(ana).post("/api/password/change/", body)

    [mail] = mails_to(ana.email)
    assert mail.subject == "Your password was changed"
    assert mail.links == ["http://localhost:8000/forgotten-password/"]


def test_stored_rows_contain_no_link(anyone, ana):
    forget(anyone, ana.email)
    token = mails_to(ana.email)[0].token

    [row] = Notification.objects.values()
    assert token not in json.dumps(row, default=str)


def test_security_mails_are_not_in_the_inbox_and_cannot_be_switched_off(ana, signed_in):
    client = signed_in(ana)
    client.post("/api/email/verify/resend/")

    profile = client.get("/api/me/").json()
    off = {"notification_preferences": {"password_reset": False}}
    assert client.get("/api/me/notifications/").json()["results"] == []
    assert profile["unread_notifications"] == 0
    assert "password_reset" not in profile["notification_preferences"]
    assert client.patch("/api/me/", off).status_code == 400


@pytest.mark.parametrize("email", ["ana@example.com", "nobody@example.com"])
def test_mails_to_one_address_are_limited(anyone, ana, email, clock):
    codes = [forget(anyone, email).status_code for _ in range(4)]

    assert codes == [202, 202, 202, 202]
    assert Notification.objects.count() == 1


def test_mails_to_many_addresses_are_limited(ana, signed_in, settings, clock):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "mails": (3, 3600)}
    client = signed_in(ana)

    codes = [client.patch("/api/me/", {"email": f"v{n}@example.org"}).status_code for n in range(4)]

    assert codes == [200, 200, 200, 429]
    assert mails_to("v3@example.org") == []


def test_notices_of_changes_by_staff_are_limited(ana, sam, signed_in, settings, clock):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "mails": (3, 3600)}
    staff = signed_in(grant(sam, "accounts.change_user"))
    path = f"/api/users/{ana.pk}/"

    codes = [staff.patch(path, {"email": f"v{n}@example.org"}).status_code for n in range(4)]
    own = signed_in(ana).patch("/api/me/", {"email": NEW})

    assert codes == [200, 200, 200, 429]
    assert own.status_code == 200
