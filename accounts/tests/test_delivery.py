"""Mailers as processes, with a mail server: each notification is delivered exactly once."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.db import connection, transaction

from accounts.models import Notification
from accounts.notifications import notify, outbox
from accounts.tests.mail_server import MailServer, running
from registrations.tests.deployment import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("note_kinds")]

ROOT = Path(__file__).resolve().parents[2]
Start = Callable[..., subprocess.Popen]


@pytest.fixture
def server() -> Iterator[MailServer]:
    with running(MailServer()) as server:
        yield server


@pytest.fixture
def start(server) -> Iterator[Start]:
    """Starts a mailer, which ends with the test."""
    environment = {
        **os.environ,
        "EMAIL_URL": f"smtp://127.0.0.1:{server.port}",
        "PYTHONPATH": str(ROOT),
    }
    with ExitStack() as stack:

        def start(patience: int = 30) -> subprocess.Popen:
            mailer = subprocess.Popen(
                [
                    sys.executable, "-m", "accounts.tests.run_mailer",
                    connection.settings_dict["NAME"],
                ],
                cwd=ROOT, stderr=subprocess.DEVNULL,
                env=environment | {"EMAIL_TIMEOUT_SECONDS": str(patience)},
            )  # fmt: skip
            stack.callback(mailer.wait, 20)
            stack.callback(mailer.kill)
            return mailer

        yield start


@transaction.atomic
def enqueue(count: int) -> list[str]:
    addresses = [f"{number}@example.com" for number in range(count)]
    for address in addresses:
        notify("note", key=address, email=address)
    return addresses


def all_settled() -> bool:
    return not Notification.objects.filter(state="pending").exists()


def test_two_mailers_deliver_each_notification_once(server, start):
    server.seconds_per_mail = 0.01
    start(), start()
    wait_for(lambda: len(outbox.mailers.running()) == 2)

    addresses = enqueue(150)  # more than one batch
    enqueue(150)  # the same keys
    wait_for(all_settled)

    assert sorted(server.recipients) == sorted(addresses)
    assert len(server.sessions) >= 2
    assert set(Notification.objects.values_list("state", flat=True)) == {"sent"}


def test_killed_mailer_loses_no_notification(server, start):
    server.seconds_per_mail = 0.01
    first, second = start(), start()
    wait_for(lambda: len(outbox.mailers.running()) == 2)
    addresses = enqueue(150)
    wait_for(lambda: len(server.sessions) >= 2 and len(server.mails) > 20)

    first.kill()
    wait_for(all_settled)

    counted = Counter(server.recipients)
    assert set(counted) == set(addresses)
    assert counted.total() <= len(addresses) + 1  # the current mail may be sent again
    assert second.poll() is None


def test_stopped_mailer_releases_its_claims(server, start):
    addresses = enqueue(60)
    server.seconds_per_mail = 0.02
    mailer = start()
    wait_for(lambda: len(server.mails) > 5)

    mailer.send_signal(signal.SIGTERM)
    code = mailer.wait(10)
    delivered = len(server.mails)
    left = Notification.objects.filter(state="pending", claimed_by=None, attempts=0).count()
    start()
    wait_for(all_settled)

    assert code == 0
    assert 5 < delivered < 60
    assert delivered + left == 60
    assert sorted(server.recipients) == sorted(addresses)


def test_mails_are_sent_after_an_outage_of_the_server(server, start):
    server.stop()
    addresses = enqueue(3)
    start()
    first_try = Notification.objects.order_by("attempt_at").first().attempt_at
    wait_for(lambda: Notification.objects.filter(attempt_at__gt=first_try).count() == 3)

    server.start()
    wait_for(all_settled)

    assert sorted(server.recipients) == addresses
    assert set(Notification.objects.values_list("attempts", flat=True)) == {1}


def test_slow_and_rejecting_server_delays_no_other_mail(server, start):
    addresses = ["hangs@example.com", "gone@example.com", "full@example.com", "bob@example.com"]
    for address in addresses:
        notify("note", key=address, email=address)
    start(patience=1)

    wait_for(lambda: Notification.objects.filter(claimed_by=None, attempts=1).count() == 4)

    states = dict(Notification.objects.values_list("email", "state"))
    assert states == {
        "hangs@example.com": "pending",
        "gone@example.com": "parked",
        "full@example.com": "pending",
        "bob@example.com": "sent",
    }


def test_mailer_survives_a_lost_database_connection(server, start):
    addresses = enqueue(60)
    server.seconds_per_mail = 0.02
    start()
    wait_for(lambda: len(server.mails) > 5)

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
            " AND classid = %s AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())",
            [0x4D41494C],
        )
    wait_for(all_settled)

    assert sorted(server.recipients) == sorted(addresses)
