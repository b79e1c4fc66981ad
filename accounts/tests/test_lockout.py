"""Wrong passwords delay the next attempts."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import services
from accounts.links import reset_link
from accounts.lockout import delete_old_failures
from accounts.models import SignInFailures, User
from accounts.tests.factories import PASSWORD, UserFactory
from accounts.tests.test_links import token_in

pytestmark = pytest.mark.django_db

ADMIN = "/admin/login/?next=/admin/"


@pytest.fixture(autouse=True)
def _limits(clock, settings):
    """The lockout requires a limit of sign-ins, which is too high to matter here."""
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "login": (10_000, 60)}


def attempt(client, login: str, password: str = "wrong-password", address: str = "192.0.2.1"):
    return client.post("/api/login/", {"email": login, "password": password}, REMOTE_ADDR=address)


def fail(client, login: str, times: int, address: str = "192.0.2.1") -> None:
    for _ in range(times):
        assert attempt(client, login, address=address).status_code == 401


def wait_of(response) -> int:
    assert response.status_code == 429
    assert response.json()["code"] == "rate_limited"
    return int(response["Retry-After"])


@pytest.mark.parametrize("login", ["olga@example.com", "olga", "nobody@example.com"])
def test_delay_doubles_after_ten_failures(clock, anyone, olga, login):
    fail(anyone, login, 10)
    delays = []

    for _ in range(12):
        delays.append(wait_of(attempt(anyone, login)))
        clock.shift(delays[-1])
        fail(anyone, login, 1)

    assert delays[:5] == [1, 2, 4, 8, 16]
    assert delays == sorted(delays)
    assert 500 < delays[-1] <= 900  # the maximum


def test_ten_slow_failures_are_free(clock, anyone, olga):
    for _ in range(10):
        fail(anyone, olga.email, 1)
        clock.shift(2)

    clock.shift(-2)
    assert wait_of(attempt(anyone, olga.email)) == 1


def test_correct_password_is_delayed_as_well(anyone, olga):
    fail(anyone, olga.email, 10)

    refused = attempt(anyone, olga.email, PASSWORD)

    assert wait_of(refused) == 1


def test_lock_ends_after_some_time(clock, anyone, olga):
    fail(anyone, olga.email, 10)
    clock.shift(wait_of(attempt(anyone, olga.email)))

    assert attempt(anyone, olga.email, PASSWORD).status_code == 200


def test_refused_attempts_do_not_prolong_the_lock(clock, anyone, olga):
    fail(anyone, olga.email, 10)
    for _ in range(20):
        attempt(anyone, olga.email)
    clock.shift(1)

    assert attempt(anyone, olga.email, PASSWORD).status_code == 200


def test_failures_from_another_address_do_not_lock_the_owner(anyone, olga):
    fail(anyone, olga.email, 10, address="198.51.100.9")

    assert wait_of(attempt(anyone, olga.email, address="198.51.100.9"))
    assert attempt(anyone, olga.email, PASSWORD, address="192.0.2.1").status_code == 200


def test_failures_from_many_addresses_lock_unknown_addresses_only(anyone, olga):
    attempt(anyone, olga.email, PASSWORD, address="203.0.113.5")
    for number in range(100):
        fail(anyone, olga.email, 1, address=f"198.51.100.{number}")

    assert wait_of(attempt(anyone, olga.email, PASSWORD, address="192.0.2.1"))
    assert attempt(anyone, olga.email, PASSWORD, address="203.0.113.5").status_code == 200
    assert attempt(anyone, "OLGA", PASSWORD, address="203.0.113.5").status_code == 200


def test_address_with_failures_for_many_accounts_is_locked(anyone, olga, ana):
    attempt(anyone, ana.email, PASSWORD)
    for number in range(100):
        fail(anyone, f"somebody{number}@example.com", 1)

    assert wait_of(attempt(anyone, olga.email, PASSWORD))
    assert attempt(anyone, olga.email, PASSWORD, address="203.0.113.5").status_code == 200
    assert attempt(anyone, ana.email, PASSWORD).status_code == 200  # it has signed in before


def test_sign_in_resets_the_count(anyone, olga):
    fail(anyone, olga.email, 9)
    attempt(anyone, olga.email, PASSWORD)

    fail(anyone, olga.email, 10)


def test_failures_expire_one_by_one(clock, anyone, olga):
    fail(anyone, olga.email, 9)
    clock.shift(timedelta(hours=3))

    fail(anyone, olga.email, 10)


def test_new_password_deletes_the_failures(anyone, olga):
    for number in range(100):
        fail(anyone, olga.email, 1, address=f"198.51.100.{number}")
    fail(anyone, olga.username, 10)

    services.set_password(olga, "another-horse-7")

    assert attempt(anyone, olga.username, "another-horse-7").status_code == 200


def set_new_password(client, user: User, address: str) -> None:
    token = token_in(reset_link(user))
    body = {"token": token, "password": "another-horse-7"}
    response = client.post("/api/password/reset/confirm/", body, REMOTE_ADDR=address)
    assert response.status_code == 204


def test_reset_unlocks_the_owner_at_the_address_of_strangers(anyone, olga):
    for number in range(100):
        fail(anyone, f"somebody{number}@example.com", 1)
    fail_again = attempt(anyone, olga.email, PASSWORD)

    set_new_password(anyone, olga, "192.0.2.1")

    assert "/api/password/reset/" in fail_again.json()["detail"]
    assert wait_of(fail_again)
    assert attempt(anyone, olga.email, "another-horse-7").status_code == 200


def test_reset_unlocks_the_owner_despite_further_failures(anyone, olga):
    set_new_password(anyone, olga, "192.0.2.1")
    for number in range(100):
        fail(anyone, olga.email, 1, address=f"198.51.100.{number}")

    assert attempt(anyone, olga.email, "another-horse-7").status_code == 200
    assert wait_of(attempt(anyone, olga.email, "another-horse-7", address="203.0.113.5"))


def test_reset_by_the_page_unlocks_the_owner(anyone, olga):
    for number in range(100):
        fail(anyone, f"somebody{number}@example.com", 1)
    form = {
        "token": token_in(reset_link(olga)),
        "password": "another-horse-7",
        "again": "another-horse-7",
    }

    page = Client().post("/reset-password/", form, REMOTE_ADDR="192.0.2.1")

    assert page.status_code == 302
    assert attempt(anyone, olga.email, "another-horse-7").status_code == 200


def test_reset_opens_no_session(anyone, olga, signed_in):
    set_new_password(anyone, olga, "192.0.2.1")
    olga.refresh_from_db()

    sessions = signed_in(olga).get("/api/me/sessions/").json()["results"]

    assert [row["current"] for row in sessions] == [True]


def test_login_is_counted_without_case_and_outer_spaces(anyone, olga):
    for login in (" olga@example.com", "OLGA@example.com", "olga@EXAMPLE.com ") * 4:
        response = attempt(anyone, login)

    assert response.status_code == 429


def test_no_address_and_no_name_is_stored(anyone, olga):
    fail(anyone, olga.email, 1)

    stored = [(bytes(row.account), bytes(row.address)) for row in SignInFailures.objects.all()]
    assert sorted(len(account) for account, _ in stored) == [0, 32, 32]
    assert not any(b"olga" in account or b"192.0" in address for account, address in stored)


def test_old_failures_are_deleted(clock, anyone, olga):
    fail(anyone, olga.email, 1)

    assert delete_old_failures() == 0
    clock.shift(timedelta(days=1, seconds=1))
    assert delete_old_failures() == 3


def test_unknown_account_uses_the_same_statements(anyone, olga):
    counts = []
    for login in (olga.email, "nobody@example.com"):
        with CaptureQueriesContext(connection) as queries:
            attempt(anyone, login)
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_lifted_limit_lifts_the_lock(anyone, olga, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "login": None}

    fail(anyone, olga.email, 30)


# --- the admin ---


@pytest.fixture
def root(db) -> User:
    return UserFactory(username="root", is_staff=True, is_superuser=True)


def test_guessing_in_the_admin_is_locked(clock, root):
    client = Client()
    for _ in range(10):
        page = client.post(ADMIN, {"username": root.email, "password": "wrong-password"})
        assert page.status_code == 200

    locked = client.post(ADMIN, {"username": root.email, "password": PASSWORD})

    assert locked.status_code == 429
    assert locked["Retry-After"] == "1"
    assert "Too many attempts. Seconds to wait: 1." in locked.content.decode()
    assert "_auth_user_id" not in client.session
    clock.shift(1)
    assert client.post(ADMIN, {"username": root.email, "password": PASSWORD}).status_code == 302


def test_admin_and_api_share_the_count(anyone, root):
    fail(anyone, root.email, 10)

    page = Client().post(
        ADMIN, {"username": root.email, "password": PASSWORD}, REMOTE_ADDR="192.0.2.1"
    )

    assert page.status_code == 429


def test_rate_limit_of_sign_ins_applies_to_the_admin(settings, root):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "login": (2, 60)}

    codes = [
        Client().post(ADMIN, {"username": root.email, "password": PASSWORD}).status_code
        for _ in range(3)
    ]

    assert codes == [302, 302, 429]


def test_admin_refuses_accounts_that_are_not_staff(ana):
    client = Client()

    page = client.post(ADMIN, {"username": ana.email, "password": PASSWORD})

    assert page.status_code == 200
    assert "_auth_user_id" not in client.session
