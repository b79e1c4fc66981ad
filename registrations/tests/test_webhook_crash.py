"""Senders that are killed: every delivery arrives, and no two attempts of it overlap."""

import os
import random
import subprocess
import sys
import time
from collections import defaultdict
from ipaddress import ip_network
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest
from django.db import InterfaceError, OperationalError, connection

from registrations.models import WebhookDelivery
from registrations.tests.factories import WebhookFactory
from registrations.tests.receivers import OK, Receiver, running
from registrations.webhooks.sender import Sender

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("changes")]
KILLS = int(os.environ.get("SENDER_KILLS", "5"))
ROOT = Path(__file__).parents[2]
SLOWNESS = 0.05  # seconds of a request


def start() -> subprocess.Popen[bytes]:
    database = connection.settings_dict["NAME"]
    process = subprocess.Popen(
        [sys.executable, "-m", "registrations.tests.run_sender", database],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "WEBHOOK_NETWORKS": "127.0.0.0/8"},
    )
    if process.stdout.readline() != b"started\n":
        kill(process)
        raise AssertionError("the sender did not start")
    return process


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    with process:
        pass


def queue_tests(webhook, number: int) -> set[str]:
    rows = WebhookDelivery.objects.bulk_create(
        WebhookDelivery(webhook=webhook, type="webhook.test", state="pending")
        for _ in range(number)
    )
    return {row.change for row in rows}


def pending() -> int:
    return WebhookDelivery.objects.filter(state="pending").count()


@pytest.mark.timeout(60 + 30 * KILLS)
def test_killed_senders_deliver_everything_one_attempt_at_a_time(olga):
    handled: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def reply(client, request):
        change = request.headers["webhook-id"]
        began_at = time.monotonic()
        time.sleep(SLOWNESS)
        handled[change].append((began_at, time.monotonic()))
        client.sendall(OK)

    with running(Receiver(reply=reply)) as receiver:
        webhook = WebhookFactory(user=olga, url=receiver.url)
        expected: set[str] = set()
        processes: list[subprocess.Popen[bytes]] = []
        try:
            processes.append(start())
            for _ in range(KILLS):
                expected |= queue_tests(webhook, 60)
                time.sleep(random.uniform(0.2, 0.8))
                processes.append(start())  # two at a time
                victim = processes.pop(0)
                kill(victim)
            deadline = time.monotonic() + 60
            while pending():
                assert time.monotonic() < deadline
                time.sleep(0.1)
        finally:
            for process in processes:
                kill(process)

    assert handled.keys() == expected
    for attempts in handled.values():
        for (_, ended_at), (began_at, _) in pairwise(sorted(attempts)):
            assert ended_at <= began_at


def test_a_sender_that_loses_its_connection_goes_on(olga, settings):
    """What ended meanwhile is recorded by the new connection, which has the same number."""
    settings.WEBHOOK_NETWORKS = [ip_network("127.0.0.0/8")]
    with running(Receiver()) as receiver:
        webhook = WebhookFactory(user=olga, url=receiver.url)
        sender = Sender()
        queue_tests(webhook, 40)
        sender.send_due()
        number, is_pending = sender._number, True
        with psycopg.connect(**_parameters()) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks "
                "WHERE locktype = 'advisory' AND objid = %s AND classid = %s",
                [number, 0x484F4F4B],
            )
        while is_pending:
            try:
                sender.send_due()
                is_pending = pending() > 0
            except (OperationalError, InterfaceError) as error:
                sender._handle_lost_connection(error)
        sender.close()

    assert sender._number == number
    assert WebhookDelivery.objects.filter(state="delivered").count() == 40


def _parameters() -> dict[str, object]:
    parameters = connection.get_connection_params()
    return {
        name: parameters[name]
        for name in ("host", "port", "user", "password", "dbname")
        if parameters.get(name)
    }
