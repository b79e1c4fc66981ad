"""The mails about an account: who gets which, and what their links do."""

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
    assert mails_to("bob@example.com") == []  # what is confirmed needs no link


def test_a_sign_up_that_is_refused_sends_nothing(anyone, ana):
    anyone.post("/api/register/", {"email": ana.email, "password": PASSWORD})

    assert Notification.objects.count() == 0


def test_the_link_is_sent_again_while_it_is_wanted(ana, signed_in):
    client = signed_in(ana)

    client.post("/api/email/verify/resend/")
    [mail] = mails_to(ana.email)
    verify(mail.token, password=PASSWORD)
    again = client.post("/api/email/verify/resend/")

    assert again.status_code == 202
    assert Notification.objects.count() == 1


def test_a_reset_is_mailed_to_the_account_alone(anyone, ana):
    forget(anyone, "ANA@example.com")
    forget(anyone, "nobody@example.com")

    [mail] = mails_to(ana.email)
    assert mail.subject == "Choose a new password"
    assert mails_to("nobody@example.com") == []
    assert reset(mail.token).status_code == 204
    assert subjects(ana.email)[-1] == "Your password was changed"


def test_asking_for_a_reset_is_the_same_work_whether_or_not_there_is_an_account(
    anyone, ana, django_assert_num_queries
):
    with django_assert_num_queries(2) as known:
        forget(anyone, ana.email)
    with django_assert_num_queries(2) as unknown:
        forget(anyone, "and@example.com")

    for looked_up, inserted in (known.captured_queries, unknown.captured_queries):
        assert looked_up["sql"].startswith('SELECT 1 AS "a" FROM "accounts_notification"')
        assert inserted["sql"].startswith('INSERT INTO "accounts_notification"')


def test_a_deactivated_account_is_mailed_nothing(anyone, ana):
    User.objects.filter(pk=ana.pk).update(is_active=False)

    forget(anyone, ana.email)

    assert mails_to(ana.email) == []


def test_a_new_address_is_confirmed_at_the_new_and_told_at_the_old(confirmed_ana, signed_in):
    signed_in(confirmed_ana).patch("/api/me/", {"email": NEW})

    [at_new], [at_old] = mails_to(NEW), mails_to("ana@example.com")
    assert at_new.subject == "Confirm your e-mail address"
    assert at_old.subject == "Your e-mail address is about to change"
    assert NEW not in at_old.text + at_old.html
    assert verify(at_new.token, password=PASSWORD).json()["email"] == NEW


def test_the_old_address_takes_the_account_back(confirmed_ana, signed_in):
    signed_in(confirmed_ana).patch("/api/me/", {"email": NEW})
    before = mails_to("ana@example.com")[0].token
    verify(mails_to(NEW)[0].token, password=PASSWORD)

    first, second = mails_to("ana@example.com")

    assert first.subject == second.subject == "Your e-mail address was changed"
    assert before == first.token == second.token  # the clock stands still
    assert reset(before).status_code == 204
    assert sign_in("ana@example.com", NEW_PASSWORD).status_code == 200
    assert_refused(reset(second.token))


def test_taking_back_ends_the_secret_link_to_the_calendar(confirmed_ana, signed_in, anyone):
    stolen = signed_in(confirmed_ana).get("/api/me/").json()["calendar_url"]
    signed_in(confirmed_ana).patch("/api/me/", {"email": NEW})
    assert anyone.get(stolen).status_code == 200

    reset(mails_to("ana@example.com")[0].token)

    assert anyone.get(stolen).status_code == 404


def test_an_unconfirmed_address_is_told_without_a_way_back(ana, signed_in):
    signed_in(ana).patch("/api/me/", {"email": NEW})

    [mail] = mails_to("ana@example.com")
    assert mail.subject == "Your e-mail address was changed"
    assert mail.links == []


@pytest.mark.parametrize("is_confirmed", [True, False])
def test_a_change_by_staff_notifies_the_old_address_and_offers_the_way_back(
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


def test_a_change_by_staff_still_has_its_way_back_once_it_is_confirmed(
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
def test_staff_take_no_account_over_by_its_address(ana, anyone, sam, signed_in, is_confirmed):
    if is_confirmed:
        confirm_email(ana)
    staff = signed_in(grant(sam, "accounts.change_user"))

    staff.patch(f"/api/users/{ana.pk}/", {"email": NEW})
    forget(anyone, NEW)

    assert subjects(NEW) == ["Confirm your e-mail address"]


def test_asking_twice_for_the_same_address_is_told_once(confirmed_ana, signed_in):
    for _ in range(2):
        signed_in(confirmed_ana).patch("/api/me/", {"email": NEW})

    assert (len(mails_to(NEW)), len(mails_to("ana@example.com"))) == (1, 1)


def test_a_change_that_is_withdrawn_needs_no_link(confirmed_ana, signed_in):
    client = signed_in(confirmed_ana)
    client.patch("/api/me/", {"email": NEW})

    client.patch("/api/me/", {"email": "ana@example.com"})

    assert mails_to(NEW) == []


def test_a_change_of_password_is_told(ana, signed_in):
    body = {"current_password": PASSWORD, "password": NEW_PASSWORD}

    signed_in(ana).post("/api/password/change/", body)

    [mail] = mails_to(ana.email)
    assert mail.subject == "Your password was changed"
    assert mail.links == ["http://localhost:8000/forgotten-password/"]


def test_nothing_stored_holds_a_link(anyone, ana):
    forget(anyone, ana.email)
    token = mails_to(ana.email)[0].token

    [row] = Notification.objects.values()
    assert token not in json.dumps(row, default=str)


def test_security_mails_are_not_in_the_inbox_and_cannot_be_switched_off(ana, signed_in):
    client = signed_in(ana)
    client.post("/api/email/verify/resend/")

    shown = client.get("/api/me/").json()
    off = {"notification_preferences": {"password_reset": False}}
    assert client.get("/api/me/notifications/").json()["results"] == []
    assert shown["unread_notifications"] == 0
    assert "password_reset" not in shown["notification_preferences"]
    assert client.patch("/api/me/", off).status_code == 400


@pytest.mark.parametrize("email", ["ana@example.com", "nobody@example.com"])
def test_nobody_has_an_address_flooded(anyone, ana, email, clock):
    codes = [forget(anyone, email).status_code for _ in range(4)]

    assert codes == [202, 202, 202, 202]
    assert Notification.objects.count() == 1


def test_nobody_has_many_addresses_mailed(ana, signed_in, settings, clock):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "mails": (3, 3600)}
    client = signed_in(ana)

    codes = [client.patch("/api/me/", {"email": f"v{n}@example.org"}).status_code for n in range(4)]

    assert codes == [200, 200, 200, 429]
    assert mails_to("v3@example.org") == []


def test_staff_flood_no_account_with_notices(ana, sam, signed_in, settings, clock):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "mails": (3, 3600)}
    staff = signed_in(grant(sam, "accounts.change_user"))
    path = f"/api/users/{ana.pk}/"

    codes = [staff.patch(path, {"email": f"v{n}@example.org"}).status_code for n in range(4)]
    own = signed_in(ana).patch("/api/me/", {"email": NEW})

    assert codes == [200, 200, 200, 429]
    assert own.status_code == 200
