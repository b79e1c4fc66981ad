"""Gauges of a web process for `/metrics`: requests, connections, viewers.

`PROMETHEUS_MULTIPROC_DIR` adds up those of all processes.
"""

import asyncio
from typing import Protocol

from django.conf import settings
from prometheus_client import Gauge

from config.live.streams import LiveStreams

from .protocol import Http1Protocol

INTERVAL_SECONDS = 1

PROCESSES = Gauge("web_processes", "Server processes.", multiprocess_mode="livesum")
THREADS = Gauge("web_threads", "Threads for requests.", multiprocess_mode="livesum")
REQUESTS = Gauge(
    "web_requests_in_progress",
    "Requests that have a thread or are queued for one.",
    multiprocess_mode="livesum",
)
CONNECTIONS = Gauge("web_connections", "Open connections of clients.", multiprocess_mode="livesum")
VIEWERS = Gauge("live_viewers", "Open streams of seats.", multiprocess_mode="livesum")
EVENTS = Gauge(
    "live_events", "Events with viewers, counted in each process.", multiprocess_mode="livesum"
)


class Counted(Protocol):
    """The pool of `front`: `count` is the number of running and queued requests."""

    count: int


async def set_gauges(pool: Counted, streams: LiveStreams) -> None:
    """Set all gauges once a second. Doing so with each request would slow all of them down."""
    PROCESSES.set(1)
    THREADS.set(settings.WEB_THREADS)
    while True:
        REQUESTS.set(pool.count)
        CONNECTIONS.set(len(Http1Protocol.open))
        VIEWERS.set(streams.watch.viewer_count)
        EVENTS.set(streams.watch.event_count)
        await asyncio.sleep(INTERVAL_SECONDS)
