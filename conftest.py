"""The cast of all tests: olga organizes, ana attends, max is a stranger, sam is staff."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import import_module
from threading import Semaphore

import pytest
import time_machine
from django.apps import apps
from django.core.cache import cache
from django.core.files.storage import InMemoryStorage, default_storage
from pytest_django.plugin import blocking_manager_key
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tests.factories import PASSWORD, UserFactory
from accounts.tokens import open_session
from config import settings as real_settings
from config.api.http import rate_limits
from config.api.http.work_slots import FILES
from events.models import Event
from events.tests.factories import EventFactory

NOW = datetime(2027, 1, 15, 12, 0, tzinfo=UTC)

__all__ = ["NOW", "PASSWORD"]


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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Restore the rows of migrations after a test with real commits, which empties every table."""
    yield
    marker = item.get_closest_marker("django_db")
    is_last = nextitem is None  # the database is already destroyed
    if marker is not None and marker.kwargs.get("transaction") and not is_last:
        with item.config.stash[blocking_manager_key].unblock():
            import_module("events.migrations.0004_first_categories").create(apps, None)


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
