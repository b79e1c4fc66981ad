"""Reads with a replica: the same database here, which a role of its own connects to."""

import logging
from collections.abc import Callable, Iterator
from copy import deepcopy

import pytest
from django.db import ProgrammingError, connection, connections
from django.test.utils import CaptureQueriesContext

from config.api.sql import replica
from events.models import Event
from events.tests.factories import CategoryFactory, EventFactory

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "replica"]),
    pytest.mark.xdist_group("replica"),  # roles are of the server, not of one test's database
]

READER = "test_replica_reader"
PUBLIC_LISTS = [
    "/api/events/",
    "/api/events/?search=fair&ordering=relevance",
    "/api/events/?search=fiar",
    "/api/events/?category=conference&count=true",
    "/api/events/calendar.ics",
    "/api/categories/",
]


@pytest.fixture(scope="module", autouse=True)
def settings_of_replica(django_db_setup) -> Iterator[dict]:
    database = deepcopy(connection.settings_dict)
    database |= {"ENGINE": "config.database", "USER": READER, "PASSWORD": "reader"}
    database["OPTIONS"]["options"] += " -c default_transaction_read_only=on"
    database["TEST"]["MIRROR"] = "default"
    connections.settings[replica.REPLICA] = database
    yield database
    connections[replica.REPLICA].close()
    delattr(connections._connections, replica.REPLICA)
    del connections.settings[replica.REPLICA]


@pytest.fixture
def fair(olga) -> Event:
    return EventFactory(organizer=olga, name="Fair", category=CategoryFactory())


@pytest.fixture(autouse=True)
def _reader(fair, monkeypatch) -> Iterator[None]:
    """A role with no right but SELECT."""
    is_new = _create_role()
    with connection.cursor() as cursor:
        cursor.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {READER}")
    monkeypatch.setattr(replica, "_unavailable_until", 0.0)
    replica.limited_log.clear()
    yield
    connections[replica.REPLICA].close()
    with connection.cursor() as cursor:
        cursor.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {READER}")
        if is_new:
            cursor.execute(f"DROP ROLE {READER}")


def _create_role() -> bool:
    """Whether the role is new. Those who may not create roles find it on the server of the CI."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", [READER])
        if cursor.rowcount:
            return False
        try:
            cursor.execute(f"CREATE ROLE {READER} LOGIN PASSWORD 'reader'")
        except ProgrammingError:
            pytest.skip("only roles with CREATEROLE may create the role of the replica")
    return True


@pytest.fixture
def queries() -> Callable:
    """The numbers of queries to the primary and to the replica for one GET."""

    def counted(client, path: str) -> tuple[int, int]:
        with (
            CaptureQueriesContext(connection) as primary,
            CaptureQueriesContext(connections[replica.REPLICA]) as other,
        ):
            response = client.get(path)
            assert response.status_code == 200, response.content
        return len(primary), len(other)

    return counted


@pytest.mark.parametrize("path", PUBLIC_LISTS)
def test_public_lists_of_guests_are_read_from_the_replica(anyone, queries, path):
    on_primary, on_replica = queries(anyone, path)

    assert on_primary == 0
    assert on_replica > 0


@pytest.mark.parametrize("path", PUBLIC_LISTS)
def test_signed_in_users_read_the_primary(olga, signed_in, queries, path):
    assert queries(signed_in(olga), path)[1] == 0


def test_one_event_is_read_from_the_primary(anyone, fair, queries):
    assert queries(anyone, f"/api/events/{fair.pk}/") == (1, 0)


def test_replica_connection_has_its_own_role(anyone):
    anyone.get("/api/events/")

    with connections[replica.REPLICA].cursor() as cursor:
        cursor.execute("SELECT current_user, current_setting('transaction_read_only')")
        assert cursor.fetchone() == (READER, "on")


def test_failing_replica_falls_back_to_the_primary(anyone, queries, caplog):
    with connection.cursor() as cursor:
        cursor.execute(f"REVOKE SELECT ON events_event FROM {READER}")

    with caplog.at_level(logging.WARNING, "config.api.sql.replica"):
        counts = [queries(anyone, "/api/events/") for _ in range(2)]

    # The list, and at first also the rendered events.
    assert [on_primary for on_primary, _ in counts] == [2, 1]
    assert [on_replica for _, on_replica in counts] == [1, 1]
    (message,) = caplog.messages
    assert message.startswith("the replica failed, so the primary is read: ProgrammingError: ")


def test_unreachable_replica_is_not_used_for_a_while(
    anyone, settings_of_replica, monkeypatch, caplog, clock
):
    monkeypatch.setitem(settings_of_replica, "HOST", "127.0.0.1")
    monkeypatch.setitem(settings_of_replica, "PORT", "1")

    def warnings() -> list[str]:
        caplog.clear()
        replica.limited_log.clear()
        response = anyone.get("/api/events/?when=all")
        assert [event["name"] for event in response.json()["results"]] == ["Fair"]
        return [r.message for r in caplog.records if r.name == "config.api.sql.replica"]

    assert len(warnings()) == 1
    assert len(warnings()) == 0
    clock.shift(replica.RETRY_SECONDS)
    assert len(warnings()) == 1
