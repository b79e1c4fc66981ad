"""Token buckets: even, exact across processes, in PostgreSQL and in Redis."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.cache import caches
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.tests.factories import PASSWORD
from config.api.http import rate_limits, token_buckets
from config.api.models import RequestCount

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def redis_socket(tmp_path_factory) -> Iterator[Path]:
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("redis-server is not installed")
    path = tmp_path_factory.mktemp("redis") / "redis.sock"
    command = [server, "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", path.parent]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        give_up_at = time.monotonic() + 20
        while not path.exists() and time.monotonic() < give_up_at:
            time.sleep(0.02)
        yield path
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(params=["table", "redis"])
def _store(request, settings, monkeypatch) -> None:
    if request.param == "redis":
        settings.CACHES = {
            **settings.CACHES,
            "redis": {
                "BACKEND": "django.core.cache.backends.redis.RedisCache",
                "LOCATION": f"unix://{request.getfixturevalue('redis_socket')}",
            },
        }
        settings.COUNTS_IN_CACHE = True
        caches["redis"].clear()
        monkeypatch.setattr(token_buckets, "cache", caches["redis"])


def take(number: int, *, caller: str = "192.0.2.1", allowed: int = 5) -> list[int]:
    """The seconds to wait for each of so many requests."""
    return [token_buckets.take("login", caller, allowed, 60) for _ in range(number)]


@pytest.mark.usefixtures("_store")
def test_empty_bucket_is_refilled_evenly(clock):
    assert take(6) == [0, 0, 0, 0, 0, 12]

    clock.shift(11)
    assert take(1) == [1]
    clock.shift(1)
    assert take(2) == [0, 12]
    clock.shift(24)
    assert take(3) == [0, 0, 12]


@pytest.mark.usefixtures("_store")
def test_no_window_begins_anew(clock):
    """A fixed window would let five pass at 59 seconds and five more at 60."""
    clock.shift(59)
    before = take(5)
    clock.shift(1)

    assert (before, take(1)) == ([0] * 5, [11])


@pytest.mark.usefixtures("_store")
def test_a_bucket_holds_no_more_than_the_limit(clock):
    take(5)
    clock.shift(86400)

    assert take(6) == [0, 0, 0, 0, 0, 12]


@pytest.mark.usefixtures("_store")
def test_processes_share_a_bucket(clock):
    first = take(3)
    token_buckets.clear_local_buckets()  # as in the memory of another process

    assert (first, take(3)) == ([0] * 3, [0, 0, 12])


@pytest.mark.usefixtures("_store")
def test_callers_and_limits_have_buckets_of_their_own(clock):
    take(5)

    assert take(1, caller="192.0.2.2") == [0]
    assert take(1, allowed=6) == [0]


@pytest.mark.usefixtures("_store")
def test_a_refusal_costs_nothing_more(clock):
    take(20)

    clock.shift(12)
    assert take(1) == [0]


def test_caller_with_an_empty_bucket_costs_no_statement(clock):
    take(6)

    with CaptureQueriesContext(connection) as queries:
        assert take(3) == [12] * 3

    assert len(queries) == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_store")
def test_requests_at_one_moment_pass_as_often_as_the_limit_allows(clock, monkeypatch):
    monkeypatch.setattr(token_buckets, "_wait", lambda *args: 0)  # no process caches anything
    passed = []

    def take_some(_: int) -> None:
        for _ in range(10):
            now = int(time.time() * token_buckets.MICROSECONDS)
            key = ("login", "192.0.2.1", 20, 60)
            passed.append(token_buckets._take_shared(key, now, 3 * 10**6, 60 * 10**6)[1])
        connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(take_some, range(4)))

    assert passed.count(True) == 20


def test_transaction_that_a_failing_bucket_aborted_fails(clock, monkeypatch):
    broken = token_buckets._TAKE.replace("api_requestcount", "gone")
    monkeypatch.setattr(token_buckets, "_TAKE", broken)

    with pytest.raises(DatabaseError), transaction.atomic():
        take(1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("in_cache", [False, True])
def test_each_process_has_its_own_bucket_while_the_shared_store_fails(
    clock, settings, monkeypatch, in_cache
):
    def away(*args, **kwargs):
        raise ConnectionError("restarting")

    settings.COUNTS_IN_CACHE = in_cache
    monkeypatch.setattr(token_buckets, "_take_in_redis" if in_cache else "_take_in_table", away)

    assert take(6) == [0, 0, 0, 0, 0, 12]


def test_memory_is_bounded(clock, monkeypatch):
    monkeypatch.setattr(token_buckets, "_MAX_BUCKETS", 10)

    for number in range(40):
        take(1, caller=f"192.0.2.{number}")

    assert len(token_buckets._full_at) <= 10


def test_no_address_is_stored_and_full_buckets_are_deleted(clock):
    take(1)

    row = RequestCount.objects.get()
    assert b"192.0.2.1" not in bytes(row.caller)
    assert rate_limits.delete_expired_counts() == 0
    clock.shift(61)
    assert rate_limits.delete_expired_counts() == 1


@pytest.mark.parametrize(
    ("scope", "path", "body", "status"),
    [
        ("login", "/api/login/", {"email": "olga@example.com", "password": "wrong"}, 401),
        ("signup", "/api/register/", {"email": "x", "password": PASSWORD}, 400),
    ],
)
def test_sign_in_and_sign_up_have_buckets(clock, anyone, settings, scope, path, body, status):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, scope: (2, 60)}
    clock.shift(59)

    codes = [anyone.post(path, body).status_code for _ in range(3)]
    clock.shift(1)
    refused = anyone.post(path, body)

    assert codes == [status, status, 429]
    assert (refused.status_code, refused["Retry-After"]) == (429, "29")
