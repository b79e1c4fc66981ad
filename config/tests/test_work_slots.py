"""Expensive work is limited, and requests beyond the limit get Retry-After."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier, BoundedSemaphore

import pytest
from argon2 import extract_parameters
from django.test import Client

from accounts.hashers import BoundedArgon2PasswordHasher
from accounts.tests.factories import PASSWORD, UserFactory
from config.api.http import work_slots
from config.api.http.work_slots import FILES, HASHING, IMAGES, ROWS
from config.errors import TemporarilyUnavailable
from events.tests.images import PNG

pytestmark = pytest.mark.django_db

ARGON2 = "accounts.hashers.BoundedArgon2PasswordHasher"
CSV = "name,location,start_time\nX,Y,2027-05-25T14:00:00Z\n"
DECISION = {"ids": ["5f0c7b1e-6a52-4d1c-9a3e-0d9c5a4e7f10"], "decision": "approve"}
CALENDAR = "/api/events/calendar.ics"


@pytest.fixture(autouse=True)
def _one_each(monkeypatch):
    """A process of four threads; requests do not wait in the tests."""
    for group in (FILES, HASHING, IMAGES, ROWS):
        monkeypatch.setattr(group, "_free", BoundedSemaphore(1))
        monkeypatch.setattr(group, "wait_seconds", 0)


@pytest.fixture
def slow_hashes(settings):
    settings.PASSWORD_HASHERS = [ARGON2]


def assert_retry_after(response, seconds: int) -> None:
    assert (response.status_code, response["Retry-After"]) == (503, str(seconds))
    assert response.json()["code"] == "temporarily_unavailable"


def test_new_hashes_have_the_parameters_of_owasp():
    encoded = BoundedArgon2PasswordHasher().encode(PASSWORD, "some-salt-of-16-b")

    parameters = extract_parameters(encoded.removeprefix("argon2"))
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (
        19 * 1024,
        2,
        1,
    )
    assert parameters.type.name == "ID"


def test_a_sign_in_upgrades_a_hash_of_other_parameters(anyone, slow_hashes):
    older = type("Older", (BoundedArgon2PasswordHasher,), {"memory_cost": 1024, "parallelism": 8})
    user = UserFactory(password=older().encode(PASSWORD, "some-salt-of-16-b"))

    response = anyone.post("/api/login/", {"email": user.email, "password": PASSWORD})

    user.refresh_from_db()
    assert response.status_code == 200
    assert user.password.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/login/", {"email": "olga@example.com", "password": PASSWORD}),
        ("/api/login/", {"email": "nobody@example.com", "password": PASSWORD}),
        ("/api/register/", {"email": "new@example.com", "password": "another-horse-7"}),
    ],
)
def test_concurrent_password_hashes_are_limited(anyone, olga, slow_hashes, path, body):
    olga.set_password(PASSWORD)
    olga.save()
    anyone.raise_request_exception = False

    with HASHING.one():
        refused = anyone.post(path, body)
        listed = anyone.get("/api/events/")
    later = anyone.post(path, body)

    assert_retry_after(refused, 1)
    assert listed.status_code == 200
    assert later.status_code in {200, 201, 401}


def test_admin_shows_when_to_try_again(olga, slow_hashes):
    with HASHING.one():
        page = Client().post("/admin/login/", {"username": olga.email, "password": PASSWORD})

    assert (page.status_code, page["Retry-After"]) == (503, "1")


def test_password_page_shows_when_to_try_again(slow_hashes):
    root = UserFactory(is_staff=True, is_superuser=True)
    client = Client(raise_request_exception=False)
    client.force_login(root, backend="accounts.backends.EmailOrUsernameBackend")
    form = {"password1": "another-horse-7", "password2": "another-horse-7"}

    with HASHING.one():
        page = client.post(f"/admin/accounts/user/{root.pk}/password/", form)

    assert (page.status_code, page["Retry-After"]) == (503, "1")


def test_requests_with_many_rows_are_limited(olga, event, signed_in):
    client = signed_in(olga)
    client.raise_request_exception = False
    calendar = client.get("/api/me/").json()["calendar_url"]

    with ROWS.one():
        refused = [
            client.post("/api/events/bulk/", [{"name": "X"}]),
            client.post("/api/events/import/", CSV, content_type="text/csv"),
            client.post("/api/events/import/?dry_run=true", CSV, content_type="text/csv"),
            client.post(
                f"/api/events/{event.pk}/attendees/import/",
                "name,email\nA,a@x.org\n",
                content_type="text/csv",
            ),
            client.post(f"/api/events/{event.pk}/attendees/decide/", DECISION, format="json"),
            client.post(
                f"/api/events/{event.pk}/attendees/decide/?dry_run=true", DECISION, format="json"
            ),
            client.get(CALENDAR),
            client.get(calendar),
        ]

    for response in refused:
        assert_retry_after(response, 2)
    assert client.get(CALENDAR).status_code == 200


def test_an_image_has_a_slot_of_its_own(olga, event, signed_in):
    client = signed_in(olga)
    client.raise_request_exception = False
    path, import_path = f"/api/events/{event.pk}/image/", "/api/events/import/?dry_run=true"

    with IMAGES.one():
        refused = client.put(f"{path}?alt=A", PNG, content_type="image/png")
        imported = client.post(import_path, CSV, content_type="text/csv")
    with ROWS.one():
        stored = client.put(f"{path}?alt=A", PNG, content_type="image/png")

    assert_retry_after(refused, 2)
    assert imported.status_code == 200
    assert stored.status_code == 200


def test_request_that_waits_a_moment_gets_a_slot(monkeypatch):
    monkeypatch.setattr(HASHING, "wait_seconds", 20)
    waited = []

    class Freed:
        """A semaphore that is released while a request waits for it."""

        def acquire(self, *, blocking: bool = True, timeout: float | None = None) -> bool:
            waited.append((blocking, timeout))
            return blocking

        def release(self) -> None: ...

    monkeypatch.setattr(HASHING, "_free", Freed())

    with HASHING.one():
        pass

    assert waited == [(False, None), (True, 20)]


@pytest.mark.parametrize("group", [ROWS, FILES], ids=["rows", "files"])
def test_two_requests_may_wait_for_a_third(group, monkeypatch):
    both = Barrier(2)

    class Freed:
        """A semaphore that is released as soon as two requests wait for it."""

        def acquire(self, *, blocking: bool = True, timeout: float | None = None) -> bool:
            return timeout is not None and both.wait(5) >= 0

        def release(self) -> None: ...

    def click() -> bool:
        with group.one():
            return True

    monkeypatch.setattr(group, "_free", Freed())

    with ThreadPoolExecutor(2) as pool:
        clicks = [pool.submit(click) for _ in range(2)]

    assert [each.result() for each in clicks] == [True, True]


def test_number_of_waiting_requests_is_bounded(monkeypatch):
    monkeypatch.setattr(work_slots, "_waiters", BoundedSemaphore(1))
    work_slots._waiters.acquire()

    with ExitStack() as stack:
        stack.enter_context(HASHING.one())
        with pytest.raises(TemporarilyUnavailable):
            stack.enter_context(HASHING.one())


def test_slot_is_released_after_an_error():
    with pytest.raises(ZeroDivisionError), HASHING.one():
        _ = 1 / 0

    with HASHING.one():
        pass
