"""The worker of background jobs, which starts again after each fault of the database."""

import asyncio
import logging
import random
import signal
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import psycopg
from procrastinate import App, exceptions
from psycopg_pool import PoolTimeout

from .limited_log import first_line
from .liveness import REPORT_SECONDS, report_alive

logger = logging.getLogger(__name__)

MAX_PAUSE_SECONDS = 8.0

_DATABASE_ERRORS = (exceptions.ConnectorException, psycopg.Error, PoolTimeout, OSError)


async def run_until_stopped(app: App, **options: Any) -> None:
    """Run a worker until SIGTERM or SIGINT, after which it completes the jobs in progress.

    procrastinate's worker ends when it loses its connection. Raises all but database errors.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    reporter = asyncio.create_task(_report_alive())
    pause = 1.0
    while not stopping.is_set():
        started_at = loop.time()
        reason = "it has ended"
        try:
            async with app.open_async():
                worker = app.run_worker_async(install_signal_handlers=False, **options)
                await _run_unless(stopping, worker)
        except _DATABASE_ERRORS as error:
            reason = first_line(error.__cause__ or error)
        finally:
            await app.close_async()  # a pool that could not be opened, too
        if not stopping.is_set():
            if loop.time() - started_at > MAX_PAUSE_SECONDS:
                pause = 1.0
            logger.warning("the worker starts again in %.0f s: %s", pause, reason)
            with suppress(TimeoutError):
                # Several workers do not start at the same moment.
                async with asyncio.timeout(pause * random.uniform(0.8, 1.2)):  # noqa: S311
                    await stopping.wait()
            pause = min(2 * pause, MAX_PAUSE_SECONDS)
    reporter.cancel()


async def _report_alive() -> None:
    """For as long as the event loop runs its tasks."""
    while True:
        report_alive()
        await asyncio.sleep(REPORT_SECONDS)


async def _run_unless(stopping: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Run `work` to its end, or cancel it when `stopping` is set and wait for its end."""
    worker = asyncio.create_task(work)
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait({worker, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if not worker.done():
        worker.cancel()
    with suppress(asyncio.CancelledError):
        await worker
