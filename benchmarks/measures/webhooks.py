"""Changes that a sender delivers while they are made, at a steady rate."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..contenders.product import Product
from ..load import ROOT, Result
from ..receiver import HANGING, Received
from .base import Measure, Scale, Stand, Target, Turn, WrongAnswer

RATE = 1000  # changes a second
BATCHES = 10  # a second, each of registrations of one event
_PERIODS = 4  # of the seconds of a load
_PATIENCE = 3  # times as long as the changes are made
_STOP_SECONDS = 30.0


class Webhooks(Measure):
    name = "webhooks"
    title = f"changes to one receiver, {RATE:,} made a second"
    unit = "changes/s"
    targets = (Target(0.95 * RATE),)  # the last change is on its way for a moment
    of = ("product",)
    hanging = 0  # receivers that never answer, beside the one that does

    def take(self, stand: Stand, scale: Scale) -> Turn:
        product, seconds = stand.contender, _PERIODS * scale.seconds
        assert isinstance(product, Product)
        stand.clear()
        events = [stand.open_event(1_000_000) for _ in range(BATCHES)]
        with _receiver() as (process, ports), _sender(product):
            fast, *others = ports
            product.remove_webhooks()
            product.add_webhook(stand.port, f"http://127.0.0.1:{fast}/hook")
            product.copy_webhook([f"http://127.0.0.1:{port}/" for port in others[: self.hanging]])
            started = time.perf_counter()
            changes = _make_changes(product, events, seconds)
            while product.deliveries_made(fast) < changes:
                if time.perf_counter() - started > _PATIENCE * seconds:
                    break
                time.sleep(0.05)
            elapsed = time.perf_counter() - started
            output, _ = process.communicate()
        received = Received(**json.loads(output))
        if not 0 < received.changes <= changes:
            raise WrongAnswer(f"The receiver received {received.changes} of {changes} changes.")
        result = Result(
            answers=received.changes,
            elapsed_seconds=elapsed,
            statuses={"200": received.requests, "missing": changes - received.changes},
            p50_ms=received.p50_ms,
            p99_ms=received.p99_ms,
            max_ms=received.max_ms,
        )
        return Turn(result.per_second, {self.title: result})


class HangingReceivers(Webhooks):
    name = "hanging-receivers"
    title = f"changes to one receiver, {HANGING} others hang"
    hanging = HANGING


def _make_changes(product: Product, events: list[int], seconds: float) -> int:
    """Register people at a steady rate, and return their number."""
    started, number = time.perf_counter(), 0
    for batch in range(round(BATCHES * seconds)):
        product.add_registrations(events[batch % BATCHES], RATE // BATCHES, first=number)
        number += RATE // BATCHES
        time.sleep(max(0.0, started + (batch + 1) / BATCHES - time.perf_counter()))
    return number


@contextmanager
def _receiver() -> Iterator[tuple["subprocess.Popen[str]", list[int]]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.receiver"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        try:
            yield process, list(map(int, process.stdout.readline().split()))
        finally:
            process.kill()


@contextmanager
def _sender(product: Product) -> Iterator[None]:
    process = product.start("deliver_notifications", "--connections", "1")
    try:
        assert process.stdout
        process.stdout.readline()
        yield
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        finally:
            process.kill()
            process.wait()
