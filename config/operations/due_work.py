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


def run_due_jobs(max_seconds: float) -> None:
    """Run each periodic job whose time has come since it last ran, and all other due jobs.

    A periodic job that was due several times runs once. After `max_seconds`, no further job begins.
    """
    with app.replace_connector(PsycopgConnector(kwargs=connector_params())):
        asyncio.run(_run_jobs(max_seconds))


async def _run_jobs(max_seconds: float) -> None:
    async with app.open_async():
        # The database records the last time of each job. A worker would ignore what was due more
        # than ten minutes ago.
        periodic = PeriodicDeferrer(app.periodic_registry, max_delay=inf)
        await periodic.defer_jobs(periodic.get_previous_tasks(at=time.time()))
        with suppress(TimeoutError):
            async with asyncio.timeout(max_seconds):
                await app.run_worker_async(
                    wait=False, listen_notify=False, install_signal_handlers=False
                )


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
