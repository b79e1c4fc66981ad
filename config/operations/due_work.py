"""Runs what is due and ends, for platforms without long-running processes."""

import asyncio
import time
from contextlib import suppress
from math import inf
from threading import Event

from procrastinate import PsycopgConnector
from procrastinate.contrib.django import app
from procrastinate.contrib.django.utils import connector_params
from procrastinate.periodic import PeriodicDeferrer

from accounts.notifications.mailer import Mailer
from registrations.webhooks.sender import Sender

_POLL_SECONDS = 0.2


def run_due_jobs(stopping: Event) -> None:
    """Run each periodic job whose time has come since it last ran, and all other due jobs.

    A periodic job that was due several times runs once. Once `stopping` is set, no further job
    begins, and the jobs in progress are completed.
    """
    with app.replace_connector(PsycopgConnector(kwargs=connector_params())):
        asyncio.run(_run_jobs(stopping))


async def _run_jobs(stopping: Event) -> None:
    async with app.open_async():
        # The database records the last time of each job. A worker would ignore what was due more
        # than ten minutes ago.
        periodic = PeriodicDeferrer(app.periodic_registry, max_delay=inf)
        await periodic.defer_jobs(periodic.get_previous_tasks(at=time.time()))
        worker = asyncio.create_task(
            app.run_worker_async(wait=False, listen_notify=False, install_signal_handlers=False)
        )
        while not (worker.done() or stopping.is_set()):
            await asyncio.wait({worker}, timeout=_POLL_SECONDS)
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker


def deliver_due_notifications(stopping: Event) -> int:
    """Deliver until nothing is due or `stopping` is set. Returns how many left the queue."""
    mailer = Mailer(stopping)
    delivered = 0
    try:
        while not stopping.is_set() and (count := mailer.deliver_batch()):
            delivered += count
    finally:
        mailer.close()
    return delivered


def send_due_webhooks(stopping: Event) -> None:
    """Send until no delivery is due or `stopping` is set."""
    sender = Sender(stopping)
    try:
        while not stopping.is_set() and sender.send_due():
            pass
    finally:
        sender.close()
