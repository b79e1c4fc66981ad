"""The cast of all tests: olga organizes, ana attends, max is a stranger, sam is staff."""

import copy
import gc
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import import_module
from threading import Semaphore
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.conf import settings
from django.core.cache import cache
from django.core.files.storage import InMemoryStorage, default_storage
from django.db import connection, transaction
from django.test import TransactionTestCase
from pytest_django import DjangoDbBlocker
from rest_framework.request import ForcedAuthentication, Request
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tests.factories import PASSWORD, UserFactory
from accounts.tokens import open_session
from config import settings as real_settings
from config.api.http import rate_limits
from config.api.http.work_slots import FILES
from config.static_files import StaticFilesMiddleware
from events.models import Event
from events.tests.factories import EventFactory

NOW = datetime(2027, 1, 15, 12, 0, tzinfo=UTC)

__all__ = ["NOW", "PASSWORD"]


# Rows of migrations, which no test changes.
MIGRATED = ("django_migrations", "django_content_type", "auth_permission")
# Triggers reject a DELETE of their rows, or record it. TRUNCATE does not run them.
TRUNCATED = (
    "accounts_auditentry",
    "events_teammember",
    "registrations_feedback",
    "registrations_ledgerentry",
)


def pytest_make_parametrize_id(val: Any) -> str | None:
    """A short name for a long value: processes get the name of the running test in their
    environment, whose size is limited.
    """
    is_long = isinstance(val, str | bytes) and len(val) > 200
    return f"{len(val)} characters" if is_long else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One process runs the tests of a group one after another, so groups begin first.

    They stay behind the tests that roll back, as pytest-django orders them.
    """
    first = next((number for number, item in enumerate(items) if _commits(item)), len(items))
    items[first:] = sorted(
        items[first:], key=lambda item: item.get_closest_marker("xdist_group") is None
    )


def pytest_collection_finish() -> None:
    """Exclude the objects of the program from garbage collections, which are also made rarer.

    The tests take a fifth less processor time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _commits(item: pytest.Item) -> bool:
    mark = item.get_closest_marker("django_db")
    return mark is not None and bool(mark.kwargs.get("transaction"))


class SteadyTime:
    """The time for rate limits: no window ends during a test, unless the test moves the clock."""

    def __init__(self) -> None:
        self._start = time.time()

    def time(self) -> float:
        return time.time() if time_machine.escape_hatch.is_travelling() else self._start


@pytest.fixture(autouse=True)
def _plain_settings(settings, monkeypatch) -> Iterator[None]:
    """No limits and cheap password hashes, unless a test sets them."""
    settings.RATE_LIMITS = dict.fromkeys(real_settings.RATE_LIMITS)
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.MD5PasswordHasher",
        *real_settings.PASSWORD_HASHERS,
    ]
    cache.clear()
    rate_limits.clear_local_counts()
    monkeypatch.setattr(rate_limits, "time", SteadyTime())
    # A test client holds a stream, and so its slot, until garbage collection.
    monkeypatch.setattr(FILES, "_free", Semaphore(100))
    # Files of images are in memory.
    monkeypatch.setattr(default_storage, "_wrapped", InMemoryStorage())
    yield
    cache.clear()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, django_db_blocker: DjangoDbBlocker
) -> None:
    """Let the tests' own server run without waiting for the disk."""
    if real_settings.USES_EMBEDDED_POSTGRES:
        with django_db_blocker.unblock(), connection._nodb_cursor() as cursor:
            for name in ("fsync", "synchronous_commit", "full_page_writes"):
                cursor.execute(f"ALTER SYSTEM SET {name} = off")
            cursor.execute("SELECT pg_reload_conf()")


@pytest.fixture(autouse=True, scope="session")
def _quick_flush() -> Iterator[None]:
    """Let tests with real commits empty the tables that they wrote to.

    Django's flush empties every table and makes all permissions again, which takes longer than most
    of these tests.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _: _empty_tables())
        yield


@pytest.fixture(autouse=True, scope="session")
def _static_files_once() -> Iterator[None]:
    """Let all test clients share one list of static files, which takes longer than most requests.

    Each client makes its own middleware.
    """
    add_files = StaticFilesMiddleware.add_files_from_finders
    files: dict[str, Any] = {}

    def add_listed_files(self: StaticFilesMiddleware) -> None:
        if settings.STATICFILES_DIRS != real_settings.STATICFILES_DIRS:
            add_files(self)
            return
        if not files:
            add_files(self)
            files.update(self.files)
        self.files.update(files)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StaticFilesMiddleware, "add_files_from_finders", add_listed_files)
        yield


@pytest.fixture(autouse=True, scope="session")
def _own_account_objects() -> Iterator[None]:
    """Give each request an object of its own for its account, as every authentication does.

    Otherwise concurrent requests of one `force_authenticate` would change each other's.
    """

    def authenticate(self: ForcedAuthentication, request: Request) -> tuple[Any, Any]:
        return copy.copy(self.force_user), self.force_token

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ForcedAuthentication, "authenticate", authenticate)
        yield


def _empty_tables() -> None:
    """DELETE is several times as fast as TRUNCATE for tables with many indexes and few rows."""
    tables = [t for t in connection.introspection.django_table_names(True) if t not in MIGRATED]
    written = " UNION ALL ".join(f"SELECT '{t}' WHERE EXISTS (SELECT FROM {t})" for t in tables)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(written)
        for (name,) in cursor.fetchall():
            command = "TRUNCATE" if name in TRUNCATED else "DELETE FROM"
            cursor.execute(f"{command} {name}")
    import_module("events.migrations.0004_first_categories").create(apps, None)


@pytest.fixture
def _superuser(db) -> None:
    """For tests that change roles or extensions, which an ordinary owner of a database may not."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW is_superuser")
        if cursor.fetchone() == ("off",):
            pytest.skip("only a superuser of PostgreSQL may do this")


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """Time is frozen at `NOW` until a test moves it."""
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def olga(db) -> User:
    return UserFactory(username="olga", timezone="Europe/Berlin")


@pytest.fixture
def ana(db) -> User:
    return UserFactory(username="ana", role=User.Role.ATTENDEE)


@pytest.fixture
def max_(db) -> User:
    return UserFactory(username="max")


@pytest.fixture
def sam(db) -> User:
    return UserFactory(username="sam", is_staff=True)


@pytest.fixture
def event(olga: User) -> Event:
    return EventFactory(organizer=olga)


@pytest.fixture
def anyone() -> APIClient:
    """A client that is not signed in."""
    return APIClient()


@pytest.fixture
def signed_in() -> Callable[[User], APIClient]:
    """A client with an access token of that user."""

    def client_of(user: User) -> APIClient:
        client = APIClient()
        current = User.objects.get(pk=user.pk)  # its sessions may have ended meanwhile
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {open_session(current)['access']}")
        return client

    return client_of
