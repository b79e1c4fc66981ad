"""Links in e-mails: confirming an address, changing it, resetting a password."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.links import confirmation_link, recovery_link, reset_link
from accounts.models import FormerAddress, Notification, User
from accounts.services import (
    change_password,
    confirm_address,
    confirm_email,
    edit_profile,
    forget_former_addresses,
    sign_out_everywhere,
)
from accounts.tests.factories import PASSWORD, grant
from conftest import NOW
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db

HOME, NEW = "ana@example.com", "ana@new.example.org"
NEW_PASSWORD = "another-horse-battery-7"


def token_in(link: str) -> str:
    return parse_qs(urlsplit(link).query)["token"][0]


def verify(token: str, **more: str):
    """With a `password` sessions stay, and a pending change is confirmed."""
    return APIClient().post("/api/email/verify/", {"token": token, **more})


def reset(token: str, password: str = NEW_PASSWORD):
    return APIClient().post("/api/password/reset/confirm/", {"token": token, "password": password})


def sign_in(login: str, password: str = PASSWORD):
    return APIClient().post("/api/login/", {"email": login, "password": password})


def assert_refused(response) -> None:
    assert response.status_code == 400
    assert response.json()["code"] == "invalid_or_expired_link"


@pytest.fixture
def confirmed_ana(clock, ana) -> User:
    return confirm_email(ana)


@pytest.fixture
def moving_ana(confirmed_ana, signed_in) -> User:
    """An account with a pending change of its address."""
    signed_in(confirmed_ana).patch("/api/me/", {"email": "Ana@New.example.org"})
    confirmed_ana.refresh_from_db()
    return confirmed_ana


@pytest.fixture
def moved_ana(moving_ana) -> User:
    verify(token_in(confirmation_link(moving_ana)), password=PASSWORD)
    moving_ana.refresh_from_db()
    return moving_ana


# --- confirming ---


def test_confirmation_locks_registrations_before_notifications(ana, event):
    registered(event, email=ana.email)

    with CaptureQueriesContext(connection) as queries:
        confirm_email(ana)

    updated = [query["sql"].split()[1] for query in queries if query["sql"].startswith("UPDATE")]
    notifications = updated.index('"accounts_notification"')
    assert updated.index('"registrations_registration"') < notifications


def test_link_confirms_the_address_and_joins_guest_registrations(ana, event, signed_in):
    registered(event, email=ana.email)

    response = verify(token_in(confirmation_link(ana)), password=PASSWORD)

    assert response.status_code == 200
    assert (response.json()["id"], response.json()["email_verified"]) == (ana.pk, True)
    listed = signed_in(ana).get("/api/me/registrations/").json()["results"]
    assert [row["email"] for row in listed] == ["ana@example.com"]


def test_confirmation_link_works_once(ana):
    token = token_in(confirmation_link(ana))

    verify(token)

    assert_refused(verify(token))


def test_confirmation_link_expires(clock, ana, settings):
    token = token_in(confirmation_link(ana))

    clock.move_to(NOW + settings.CONFIRMATION_LINK_LIFETIME)

    assert_refused(verify(token))


def test_confirmation_link_is_for_one_address(ana, signed_in):
    token = token_in(confirmation_link(ana))

    signed_in(ana).patch("/api/me/", {"email": "victim@example.org"})

    assert_refused(verify(token))


def test_link_has_one_purpose(ana):
    assert_refused(verify(token_in(reset_link(ana))))
    assert_refused(reset(token_in(confirmation_link(ana))))


@pytest.mark.parametrize(
    "token",
    ["x", "1", "1.2", "0.1.x", "1.9999999999." + "A" * 43, "é.1.x", "1.9999999999." + "é" * 43],
)
def test_forged_token_is_refused(ana, token):
    assert_refused(verify(token))
    assert_refused(reset(token))


def test_token_of_another_account_is_refused(ana, max_):
    _, rest = token_in(confirmation_link(ana)).split(".", 1)

    assert_refused(verify(f"{max_.pk}.{rest}"))


def test_changed_expiry_is_refused(clock, ana):
    user_id, expires, signature = token_in(confirmation_link(ana)).split(".")

    assert_refused(verify(f"{user_id}.{int(expires) + 1}.{signature}"))


def test_links_of_a_deactivated_account_are_refused(ana):
    tokens = token_in(confirmation_link(ana)), token_in(reset_link(ana))
    User.objects.filter(pk=ana.pk).update(is_active=False)

    assert_refused(verify(tokens[0]))
    assert_refused(reset(tokens[1]))


def test_expired_access_token_does_not_prevent_a_reset(anyone, ana):
    anyone.credentials(HTTP_AUTHORIZATION="Bearer stale")
    body = {"token": token_in(reset_link(ana)), "password": NEW_PASSWORD}

    response = anyone.post("/api/password/reset/confirm/", body)

    assert response.status_code == 204


def test_resending_requires_sign_in(anyone, ana, signed_in):
    assert anyone.post("/api/email/verify/resend/").status_code == 401
    assert signed_in(ana).post("/api/email/verify/resend/").status_code == 202


# --- another address ---


def test_unconfirmed_address_is_replaced_at_once(ana, signed_in):
    profile = signed_in(ana).patch("/api/me/", {"email": "ANA@new.example.org"}).json()

    assert (profile["email"], profile["email_verified"]) == ("ana@new.example.org", False)
    assert profile["pending_email"] is None


def test_confirmed_address_stays_until_the_new_one_is_confirmed(confirmed_ana, signed_in):
    client = signed_in(confirmed_ana)

    profile = client.patch("/api/me/", {"email": "ANA@new.example.org"}).json()

    assert (profile["email"], profile["email_verified"]) == ("ana@example.com", True)
    assert profile["pending_email"] == "ana@new.example.org"
    assert sign_in("ana@example.com").status_code == 200
    assert sign_in("ana@new.example.org").status_code == 401


def test_new_address_replaces_the_former_by_its_link(moving_ana, event, signed_in):
    registered(event, email="ana@new.example.org")

    profile = verify(token_in(confirmation_link(moving_ana)), password=PASSWORD).json()

    assert (profile["email"], profile["email_verified"]) == ("ana@new.example.org", True)
    assert signed_in(moving_ana).get("/api/me/").json()["pending_email"] is None
    assert sign_in("ana@new.example.org").status_code == 200
    assert sign_in("ana@example.com").status_code == 401
    listed = signed_in(moving_ana).get("/api/me/registrations/").json()["results"]
    assert [row["email"] for row in listed] == ["ana@new.example.org"]


def test_guest_registrations_of_a_pending_address_do_not_join(moving_ana, event, signed_in):
    registered(event, email="ana@new.example.org")

    assert signed_in(moving_ana).get("/api/me/registrations/").json()["results"] == []


def test_changing_to_the_present_address_withdraws_the_change(moving_ana, signed_in):
    token = token_in(confirmation_link(moving_ana))

    profile = signed_in(moving_ana).patch("/api/me/", {"email": "ana@example.com"}).json()

    assert (profile["pending_email"], profile["email_verified"]) == (None, True)
    assert_refused(verify(token))


def test_pending_address_can_be_used_by_another_account(moving_ana, max_, signed_in):
    token = token_in(confirmation_link(moving_ana))
    taken = signed_in(max_).patch("/api/me/", {"email": "ana@new.example.org"})

    assert taken.status_code == 200
    assert_refused(verify(token, password=PASSWORD))


@pytest.mark.parametrize("is_confirmed", [True, False])
def test_address_stays_until_a_change_by_staff_is_confirmed(ana, sam, signed_in, is_confirmed):
    if is_confirmed:
        confirm_email(ana)
    path = f"/api/users/{ana.pk}/"

    profile = signed_in(grant(sam, "accounts.change_user")).patch(path, {"email": NEW}).json()

    assert (profile["email"], profile["pending_email"]) == ("ana@example.com", NEW)
    assert profile["email_verified"] is is_confirmed


def test_unconfirmed_address_corrected_by_staff_is_not_recoverable(ana, sam, signed_in):
    signed_in(grant(sam, "accounts.change_user")).patch(f"/api/users/{ana.pk}/", {"email": NEW})
    ana.refresh_from_db()

    confirm_address(token_in(confirmation_link(ana)), by=ana)

    ana.refresh_from_db()
    assert (ana.email, ana.email_verified) == (NEW, True)
    assert FormerAddress.objects.count() == 0


def test_account_without_a_mailbox_gets_an_address_by_staff(ana, sam, signed_in):
    User.objects.filter(pk=ana.pk).update(
        email=f"withdrawn-{ana.pk}@invalid", withdrawn_email="ana@example.com"
    )
    signed_in(grant(sam, "accounts.change_user")).patch(f"/api/users/{ana.pk}/", {"email": NEW})
    ana.refresh_from_db()

    confirm_address(token_in(confirmation_link(ana)), by=ana)

    ana.refresh_from_db()
    assert (ana.email, ana.needs_address, ana.email_verified) == (NEW, False, True)
    assert not FormerAddress.objects.exists()
    assert not Notification.objects.filter(kind="address_changed").exists()


# --- taking an account back ---


def test_former_address_takes_the_account_back(moved_ana, signed_in):
    thief = signed_in(moved_ana)
    token = token_in(recovery_link(moved_ana, "ana@example.com"))

    assert reset(token).status_code == 204

    assert thief.get("/api/me/").status_code == 401
    back = sign_in("ana@example.com", NEW_PASSWORD).json()["user"]
    assert (back["id"], back["email_verified"]) == (moved_ana.pk, True)
    assert_refused(reset(token))


def test_present_address_stops_a_pending_change(moving_ana):
    confirmation = token_in(confirmation_link(moving_ana))

    assert reset(token_in(recovery_link(moving_ana, "ana@example.com"))).status_code == 204

    assert_refused(verify(confirmation))
    assert sign_in("ana@example.com", NEW_PASSWORD).status_code == 200


def test_second_change_does_not_prevent_the_recovery(moved_ana, signed_in, clock):
    clock.shift(60)
    signed_in(moved_ana).patch("/api/me/", {"email": "thief@example.org"})
    moved_ana.refresh_from_db()
    verify(token_in(confirmation_link(moved_ana)), password=PASSWORD)
    moved_ana.refresh_from_db()

    assert reset(token_in(recovery_link(moved_ana, "ana@new.example.org"))).status_code == 204
    moved_ana.refresh_from_db()
    assert moved_ana.email == "ana@new.example.org"
    assert reset(token_in(recovery_link(moved_ana, "ana@example.com"))).status_code == 204

    moved_ana.refresh_from_db()
    assert moved_ana.email == "ana@example.com"
    assert FormerAddress.objects.count() == 0


def test_former_address_is_reserved_for_some_days(anyone, moved_ana, max_, signed_in):
    squatter = {"email": "ana@example.com", "password": PASSWORD}

    for refused in (
        anyone.post("/api/register/", squatter),
        signed_in(max_).patch("/api/me/", {"email": "ana@example.com"}),
    ):
        assert refused.json()["errors"][0]["code"] == "unique"


def test_former_address_is_free_after_some_days(anyone, clock, moved_ana, settings):
    token = token_in(recovery_link(moved_ana, "ana@example.com"))
    clock.shift(settings.FORMER_ADDRESS_LIFETIME)

    assert_refused(reset(token))
    assert forget_former_addresses() == 1
    taken = anyone.post("/api/register/", {"email": "ana@example.com", "password": PASSWORD})
    assert taken.status_code == 201


def test_owner_may_return_to_a_former_address(moved_ana, signed_in):
    signed_in(moved_ana).patch("/api/me/", {"email": "ana@example.com"})
    moved_ana.refresh_from_db()

    profile = verify(token_in(confirmation_link(moved_ana)), password=PASSWORD).json()

    assert profile["email"] == "ana@example.com"


# --- resetting ---


def test_reset_request_reveals_no_account(anyone, ana):
    known = anyone.post("/api/password/reset/", {"email": ana.email})
    unknown = anyone.post("/api/password/reset/", {"email": "nobody@example.com"})

    assert known.status_code == unknown.status_code == 202
    assert known.content == unknown.content


def test_reset_sets_the_password_and_ends_every_token(ana, signed_in):
    client = signed_in(ana)
    refresh = sign_in(ana.email).json()["refresh"]

    response = reset(token_in(reset_link(ana)))

    assert (response.status_code, response.content) == (204, b"")
    assert client.get("/api/me/").status_code == 401
    assert APIClient().post("/api/token/refresh/", {"refresh": refresh}).status_code == 401
    assert sign_in(ana.email).status_code == 401
    assert sign_in(ana.email, NEW_PASSWORD).status_code == 200


def test_reset_link_works_once_and_ends_the_earlier_ones(clock, ana):
    earlier = token_in(reset_link(ana))
    clock.shift(5)
    later = token_in(reset_link(ana))

    assert reset(later).status_code == 204

    assert_refused(reset(later))
    assert_refused(reset(earlier))


def test_reset_link_expires(clock, ana, settings):
    token = token_in(reset_link(ana))

    clock.move_to(NOW + settings.RESET_LINK_LIFETIME - timedelta(seconds=1))
    assert reset(token, "short").json()["code"] == "validation_error"
    clock.shift(1)
    assert_refused(reset(token))


def test_weak_password_does_not_use_up_the_link(ana):
    token = token_in(reset_link(ana))

    weak = reset(token, "password")

    assert weak.json()["errors"][0]["field"] == "password"
    assert weak.json()["errors"][0]["code"] == "password_too_weak"
    assert reset(token).status_code == 204


@pytest.mark.parametrize("change", ["password", "address", "end_sessions"])
def test_reset_link_ends_with_any_change_of_a_confirmed_account(confirmed_ana, signed_in, change):
    token = token_in(reset_link(confirmed_ana))

    if change == "password":
        change_password(confirmed_ana, current_password=PASSWORD, password=NEW_PASSWORD)
    elif change == "address":
        edit_profile(confirmed_ana, {"email": NEW})
        confirmed_ana.refresh_from_db()
        confirm_address(token_in(confirmation_link(confirmed_ana)), by=confirmed_ana)
    else:
        sign_out_everywhere(confirmed_ana)

    assert_refused(reset(token))


def test_reset_link_ends_with_another_unconfirmed_address(ana):
    token = token_in(reset_link(ana))

    edit_profile(ana, {"email": NEW})

    assert_refused(reset(token))


@pytest.mark.parametrize(
    "change",
    [
        lambda user: change_password(user, current_password=PASSWORD, password=NEW_PASSWORD),
        sign_out_everywhere,
        lambda user: (edit_profile(user, {"email": NEW}), edit_profile(user, {"email": HOME})),
    ],
    ids=["password", "sessions", "address and back"],
)
@pytest.mark.parametrize(("make", "follow"), [(confirmation_link, verify), (reset_link, reset)])
def test_account_holder_cannot_end_links_to_an_unconfirmed_address(ana, change, make, follow):
    token = token_in(make(ana))

    change(ana)

    assert follow(token).status_code in {200, 204}
    ana.refresh_from_db()
    assert (ana.email, ana.email_verified) == (HOME, True)


def test_replacing_an_unconfirmed_address_has_a_limit(ana, signed_in, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "mails": (3, 3600)}
    client = signed_in(ana)

    codes = [
        client.patch("/api/me/", {"email": f"ana{number}@example.org"}).status_code
        for number in range(5)
    ]

    assert codes == [200] * 3 + [429] * 2


def test_reset_confirms_the_address(ana, event, signed_in):
    registered(event, email=ana.email)

    reset(token_in(reset_link(ana)))

    ana.refresh_from_db()
    assert ana.email_verified
    assert signed_in(ana).get("/api/me/registrations/").json()["results"] != []


def test_first_reset_alone_ends_the_calendar_link(ana, event, signed_in, anyone):
    """A stranger who signed up with the address may have the link of the calendar."""
    link = signed_in(ana).get("/api/me/").json()["calendar_url"]
    reset(token_in(reset_link(ana)))
    ana.refresh_from_db()
    own_link = signed_in(ana).get("/api/me/").json()["calendar_url"]
    reset(token_in(reset_link(ana)), "yet-another-battery-8")

    assert anyone.get(link).status_code == 404
    assert anyone.get(own_link).status_code == 200


def test_reset_ends_a_pending_change_of_address(moving_ana):
    confirmation = token_in(confirmation_link(moving_ana))

    reset(token_in(reset_link(moving_ana)))

    assert_refused(verify(confirmation))
    moving_ana.refresh_from_db()
    assert moving_ana.email == "ana@example.com"


def test_tokens_contain_no_address_and_no_password(ana):
    token = token_in(reset_link(ana))

    assert len(token) < 80
    assert "ana" not in token
