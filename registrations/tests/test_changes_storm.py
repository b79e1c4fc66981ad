"""The feed while sixteen writers make changes, some of which are rolled back or cut off."""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event as Flag

import pytest
from django.db import connection

from events.models import Event
from events.tests.factories import EventFactory
from registrations.models import LedgerEntry, Registration
from registrations.tests.writing import Writer, renamings

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("changes")]
RUNS = int(os.environ.get("FEED_RUNS", "1"))
ROOT = Path(__file__).parents[2]
SEATS = 5
RENAMED, EDITED = "registration.updated", "event.updated"
THREADS, TIMES = 15, 5  # another writer is a process
CONNECTIONS_ENDED = 5
TYPES = {"registered": "confirmed", "queued": "waitlisted"}

# In the midst of a transaction, of a writer or of the reader, whose request moves changes.
_END_A_CONNECTION = """
    SELECT pg_terminate_backend(pid) FROM (
        SELECT pid FROM pg_stat_activity
        WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()
        ORDER BY random() LIMIT 1
    ) AS chosen
"""
_IS_IN_A_TRANSACTION = """
    SELECT EXISTS (
        SELECT FROM pg_stat_activity WHERE application_name = %s AND backend_xid IS NOT NULL
    )
"""


def fetch(statement: str, *parameters: object) -> object:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        row = cursor.fetchone()
    return row and row[0]


@contextmanager
def writing_process(event_ids: list[int], seed: int) -> Iterator[subprocess.Popen[bytes]]:
    database = connection.settings_dict["NAME"]
    process = subprocess.Popen(
        [sys.executable, "-m", "registrations.tests.run_writer", database]
        + [str(each) for each in (seed, *event_ids)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        env={**os.environ, "PGAPPNAME": f"writer {database}"},
    )
    with process:
        try:
            assert process.stdout.readline() == b"started\n"
            yield process
        finally:
            process.kill()


def end_connections() -> None:
    ended = 0
    while ended < CONNECTIONS_ENDED:
        ended += bool(fetch(_END_A_CONNECTION))
        time.sleep(0.02)
    connection.close()


def kill_in_a_transaction(process: subprocess.Popen[bytes]) -> None:
    name = f"writer {connection.settings_dict['NAME']}"
    while not fetch(_IS_IN_A_TRANSACTION, name):
        assert process.poll() is None
        time.sleep(0.002)
    process.kill()
    connection.close()


def follow(client, is_over: Flag) -> list[dict]:
    """Every change, page by page. A request whose connection was ended is made again."""
    received, parameters = [], {}
    while True:
        is_last = is_over.is_set()
        response = client.get("/api/changes/", {"page_size": 20, **parameters})
        if response.status_code == 503:
            connection.close()
            continue
        assert response.status_code == 200, response.content
        body = response.json()
        received += body["results"]
        parameters = {"cursor": body["next_cursor"]}
        if is_last and not body["has_more"]:
            connection.close()
            return received
        if not body["has_more"]:
            is_over.wait(0.1)


def received_in_a_storm(client, event_ids: list[int], seed: int) -> list[dict]:
    """What a reader receives while fifteen threads and a process write, which is killed."""
    is_over = Flag()
    with writing_process(event_ids, seed) as process, ThreadPoolExecutor(THREADS + 3) as pool:
        following = pool.submit(follow, client, is_over)
        writers = [Writer(event_ids, seed + number) for number in range(1, 1 + THREADS)]
        others = [pool.submit(writer.write, TIMES) for writer in writers]
        others += [pool.submit(end_connections), pool.submit(kill_in_a_transaction, process)]
        try:
            for each in others:
                each.result()
        finally:
            is_over.set()
        return following.result()


def of_ledger(event: Event) -> list[tuple[str, str]]:
    """The type and the registration of each entry, in the order in which they took effect."""
    entries = LedgerEntry.objects.filter(event=event).order_by("pk")
    return [
        (f"registration.{TYPES.get(kind, kind)}", str(pk))
        for kind, pk in entries.values_list("kind", "registration_id")
    ]


def most_seats_taken(changes: list[tuple[str, str]]) -> int:
    confirmed, most = set(), 0
    for name, pk in changes:
        if name == "registration.cancelled":
            confirmed.discard(pk)
        elif name != "registration.waitlisted":
            confirmed.add(pk)
        most = max(most, len(confirmed))
    return most


@pytest.mark.parametrize("seed", range(0, 100 * RUNS, 100))
def test_reader_receives_each_committed_change_once_while_others_write(signed_in, olga, seed):
    events = [
        EventFactory(organizer=olga, max_capacity=SEATS, waitlist_enabled=True) for _ in "abc"
    ]

    received = received_in_a_storm(signed_in(olga), [event.pk for event in events], seed)

    created, changes = received[: len(events)], received[len(events) :]
    assert [change["type"] for change in created] == ["event.created"] * len(events)
    sequence = [change["sequence"] for change in received]
    assert sequence == sorted(set(sequence))
    renamed = Counter(c["object"]["id"] for c in changes if c["type"] == RENAMED)
    names = Registration.objects.values_list("pk", "name")
    assert renamed == Counter({str(pk): renamings(name) for pk, name in names})
    for event in events:
        of_event = [(c["type"], c["object"]["id"]) for c in changes if c["event"] == event.pk]
        of_people = [each for each in of_event if each[0] not in {RENAMED, EDITED}]
        assert of_people == of_ledger(event)
        assert most_seats_taken(of_people) <= SEATS
        edits = [name for name, _ in of_event if name == EDITED]
        assert len(edits) == Event.objects.get(pk=event.pk).version - event.version
