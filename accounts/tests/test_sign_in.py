"""Sign-up, sign-in, tokens."""

from datetime import timedelta

import bcrypt
import pytest
from django.conf import settings as django_settings
from rest_framework.test import APIClient

from accounts.models import Session, User
from accounts.tests.factories import PASSWORD, UserFactory
from conftest import NOW

pytestmark = pytest.mark.django_db


def errors_of(response) -> dict[str, str]:
    return {error["field"]: error["code"] for error in response.json()["errors"]}


@pytest.mark.parametrize("path", ["/api/register", "/api/register/", "/api/users", "/api/users/"])
def test_sign_up_creates_a_user_and_signs_in(anyone, path):
    body = {"email": "Olga@Example.COM", "password": PASSWORD, "role": "attendee"}

    response = anyone.post(path, body)

    made = response.json()
    assert response.status_code == 201
    assert made["email"] == "olga@example.com"
    assert made["username"] == "Olga".lower()
    assert made["role"] == "attendee"
    assert made["email_verified"] is False
    anyone.credentials(HTTP_AUTHORIZATION=f"Bearer {made['access']}")
    assert anyone.get("/api/me").json()["id"] == made["id"]


def test_sign_up_takes_the_next_free_username(anyone, olga):
    response = anyone.post("/api/register/", {"email": "olga@other.org", "password": PASSWORD})

    assert response.json()["username"] == "olga2"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"email": "OLGA@example.com"}, {"email": "unique"}),
        ({"email": "not-an-address"}, {"email": "invalid"}),
        ({"email": None}, {"email": "null"}),
        ({"username": "Olga"}, {"username": "unique"}),
        ({"username": "two words"}, {"username": "invalid"}),
        ({"password": "password"}, {"password": "password_too_weak"}),
        ({"password": "new-person@example.com"}, {"password": "password_too_weak"}),
        ({"password": ""}, {"password": "blank"}),
        ({"password": 12345678}, {"password": "invalid"}),
        ({"role": "admin"}, {"role": "invalid_choice"}),
        ({"timezone": "Mars/Olympus"}, {"timezone": "unknown_timezone"}),
    ],
)
def test_sign_up_names_the_invalid_field(anyone, olga, changes, expected):
    body = {"email": "new-person@example.com", "password": PASSWORD, **changes}

    response = anyone.post("/api/register/", body)

    assert response.status_code == 400
    assert response.json()["code"] == "validation_error"
    assert errors_of(response) == expected
    assert User.objects.count() == 1


def test_sign_up_reports_a_weak_password_with_other_errors(anyone):
    response = anyone.post("/api/register/", {"email": "no-address", "password": "12345"})

    assert errors_of(response) == {"email": "invalid", "password": "password_too_weak"}


def test_sign_up_never_grants_staff_rights(anyone):
    body = {"email": "eve@example.com", "password": PASSWORD, "is_staff": True, "id": 7}

    anyone.post("/api/register/", body, headers={"Prefer": "handling=lenient"})

    assert User.objects.get(email="eve@example.com").is_staff is False


@pytest.mark.parametrize(
    "login",
    [{"email": "olga@example.com"}, {"email": "OLGA@Example.com"}, {"username": "Olga"}],
)
def test_login_accepts_address_or_username(anyone, olga, login):
    response = anyone.post("/api/login", {**login, "password": PASSWORD})

    assert response.status_code == 200
    assert response.json()["user"]["id"] == olga.pk
    assert set(response.json()) == {"access", "refresh", "user"}


def test_login_error_is_the_same_for_login_and_password(anyone, olga):
    wrong_password = anyone.post("/api/login/", {"email": olga.email, "password": "x" * 12})
    no_account = anyone.post("/api/login/", {"email": "no@example.com", "password": "x" * 12})

    for response in (wrong_password, no_account):
        assert response.status_code == 401
        assert response.json()["code"] == "invalid_credentials"
    assert wrong_password.json()["detail"] == no_account.json()["detail"]


def test_login_hashes_a_password_for_an_unknown_account(anyone, settings, monkeypatch):
    hashed = []
    monkeypatch.setattr(User, "set_password", lambda self, raw: hashed.append(raw))

    anyone.post("/api/login/", {"email": "no@example.com", "password": "some-password"})

    assert hashed == ["some-password"]


@pytest.mark.parametrize("variant", ["2b", "2a", "2y"])
def test_login_verifies_a_bcrypt_hash_and_replaces_it(anyone, settings, variant):
    settings.PASSWORD_HASHERS = settings.PASSWORD_HASHERS[1:]
    password = "päss" * 30  # longer than the 72 bytes that bcrypt reads
    hashed = bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode()
    stored = "bcrypt$" + hashed.replace("$2b$", f"${variant}$")
    user = UserFactory(password=stored)

    response = anyone.post("/api/login/", {"email": user.email, "password": password})

    user.refresh_from_db()
    assert response.status_code == 200
    assert user.password.startswith("argon2$argon2id$")
    assert user.check_password(password)


def test_new_passwords_are_argon2id():
    assert django_settings.PASSWORD_HASHERS[1].endswith("Argon2PasswordHasher")


def test_invalid_token_is_refused_on_public_routes(anyone, event):
    anyone.credentials(HTTP_AUTHORIZATION="Bearer not-a-token")

    response = anyone.get("/api/events/")

    assert response.status_code == 401
    assert response.json()["code"] == "invalid_token"
    assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", ["/api/me/", "/api/events/", "/api/events/?page_size=1&when=all"])
def test_expired_token_is_refused_although_it_was_used_before(clock, olga, signed_in, path):
    client = signed_in(olga)

    before = client.get(path).status_code
    clock.move_to(NOW + timedelta(hours=1))
    after = client.get(path)

    assert (before, after.status_code) == (200, 401)
    assert after.json()["code"] == "invalid_token"


def test_expired_token_is_refused(clock, olga, signed_in):
    client = signed_in(olga)

    clock.move_to(NOW + timedelta(hours=1))

    assert client.get("/api/me/").json()["code"] == "invalid_token"


def test_token_of_a_host_whose_clock_is_ahead_is_accepted(clock, olga, signed_in):
    client = signed_in(olga)

    clock.move_to(NOW - timedelta(seconds=25))

    assert client.get("/api/me/").status_code == 200


def test_token_is_accepted_for_thirty_seconds_after_it_expired(clock, olga, signed_in):
    client = signed_in(olga)

    client.get("/api/me/")
    clock.move_to(NOW + timedelta(minutes=30, seconds=29))
    just_expired = client.get("/api/me/").status_code
    clock.move_to(NOW + timedelta(minutes=30, seconds=31))
    expired = client.get("/api/me/").status_code

    assert (just_expired, expired) == (200, 401)


def test_expired_token_does_not_prevent_a_login(anyone, olga):
    anyone.credentials(HTTP_AUTHORIZATION="Bearer stale")

    response = anyone.post("/api/login/", {"email": olga.email, "password": PASSWORD})

    assert response.status_code == 200


def refresh(client: APIClient, token: str):
    return client.post("/api/token/refresh/", {"refresh": token})


@pytest.fixture
def tokens(clock, anyone, olga) -> dict[str, str]:
    return anyone.post("/api/login/", {"email": olga.email, "password": PASSWORD}).json()


def test_refresh_replaces_the_token(anyone, tokens):
    second = refresh(anyone, tokens["refresh"])
    third = refresh(anyone, second.json()["refresh"])

    assert set(second.json()) == {"access", "refresh"}
    assert third.status_code == 200
    assert third.json()["refresh"] != second.json()["refresh"]


def test_repeated_refresh_is_refused_without_ending_the_session(clock, anyone, tokens):
    second = refresh(anyone, tokens["refresh"]).json()
    clock.shift(10)

    again = refresh(anyone, tokens["refresh"])

    assert again.status_code == 401
    assert again.json()["code"] == "invalid_token"
    assert refresh(anyone, second["refresh"]).status_code == 200


def test_late_reuse_of_a_refresh_token_ends_the_session(clock, anyone, tokens):
    second = refresh(anyone, tokens["refresh"]).json()
    clock.shift(11)

    stolen = refresh(anyone, tokens["refresh"])

    assert stolen.status_code == 401
    assert refresh(anyone, second["refresh"]).status_code == 401
    anyone.credentials(HTTP_AUTHORIZATION=f"Bearer {second['access']}")
    assert anyone.get("/api/me/").status_code == 401


def test_each_refresh_token_has_its_own_ten_seconds(clock, anyone, tokens):
    second = refresh(anyone, tokens["refresh"]).json()
    clock.shift(8)
    third = refresh(anyone, second["refresh"]).json()
    clock.shift(4)

    refresh(anyone, second["refresh"])  # used 4 s ago: a repeated request
    assert refresh(anyone, third["refresh"]).status_code == 200
    refresh(anyone, tokens["refresh"])  # used 12 s ago: stolen
    assert Session.objects.get().ended_at is not None


def test_access_token_is_no_refresh_token(anyone, tokens):
    assert refresh(anyone, tokens["access"]).status_code == 401


def test_logout_ends_the_session(anyone, tokens):
    anyone.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens['access']}")

    response = anyone.post("/api/logout", {"refresh": tokens["refresh"]})

    assert response.status_code == 204
    assert refresh(anyone, tokens["refresh"]).status_code == 401


def test_logout_refuses_a_token_of_another_user(anyone, tokens, max_, signed_in):
    response = signed_in(max_).post("/api/logout/", {"refresh": tokens["refresh"]})

    assert response.status_code == 401
    assert refresh(anyone, tokens["refresh"]).status_code == 200


def test_password_change_ends_every_token(anyone, tokens, olga):
    anyone.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens['access']}")
    body = {"current_password": PASSWORD, "password": "another-horse-7"}

    response = anyone.post("/api/password/change/", body)

    assert response.status_code == 204
    assert anyone.get("/api/me/").status_code == 401
    assert refresh(anyone, tokens["refresh"]).status_code == 401
    anyone.credentials()
    login = anyone.post("/api/login/", {"email": olga.email, "password": "another-horse-7"})
    assert login.status_code == 200


def test_password_change_requires_the_current_password(olga, signed_in):
    body = {"current_password": "wrong", "password": "another-horse-7"}

    response = signed_in(olga).post("/api/password/change/", body)

    assert response.status_code == 400
    assert errors_of(response) == {"current_password": "wrong_password"}


def test_responses_with_tokens_are_never_stored(anyone, olga):
    body = {"email": olga.email, "password": PASSWORD}

    first = anyone.post("/api/login/", body, headers={"Idempotency-Key": "k"})
    second = anyone.post("/api/login/", body, headers={"Idempotency-Key": "k"})

    assert "Idempotent-Replayed" not in second
    assert first.json()["refresh"] != second.json()["refresh"]
