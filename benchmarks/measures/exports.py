"""Exports of one event's attendees, against PostgreSQL's own client and a common library."""

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psycopg
from openpyxl import Workbook

from ..contenders.product import Product
from ..tools import find_tool
from .base import Measure, Scale, Stand, Target, Turn, WrongAnswer

_SELECT = """
    SELECT name, email, status, queue_number, registered_at, confirmed_at, cancelled_at,
        checked_in_at, ticket_code, id, event_id
    FROM registrations_registration WHERE event_id = {event_id} ORDER BY registered_at, id
"""
_TIMES = 5


class Download(NamedTuple):
    seconds: float
    first_byte_seconds: float
    size: int
    extra_megabytes: float  # what the server's processes grew by at most, together


class _Export(Measure):
    of = ("product",)
    format: str

    def downloads(self, stand: Stand, scale: Scale) -> Iterator[tuple[int, Download]]:
        """The id of the event, and several downloads of its attendees, the first of them cold."""
        assert isinstance(stand.contender, Product)
        stand.clear()
        event_id = stand.open_event(1_000_000, scale.crowd)
        headers = stand.contender.sign_in(stand.port)
        path = stand.contender.export_path(event_id, self.format)
        for number in range(_TIMES + 3):
            download = _downloaded(stand, path, headers)
            if number >= 3:  # each process has done it before
                yield event_id, download


class CsvExport(_Export):
    name = "csv"
    title = "CSV export / psql \\copy"
    unit = "ratio"
    format = "csv"
    targets = (Target(1.5, at_most=True),)

    def take(self, stand: Stand, scale: Scale) -> Turn:
        ratios = [
            download.seconds / _copied(stand.contender.database_url, event_id)
            for event_id, download in self.downloads(stand, scale)
        ]
        return Turn(median(ratios), {})


class CsvFirstByte(_Export):
    name = "csv-first-byte"
    title = "CSV export, first byte"
    unit = "ms"
    format = "csv"
    targets = (Target(20, at_most=True),)

    def take(self, stand: Stand, scale: Scale) -> Turn:
        waits = [1000 * found.first_byte_seconds for _, found in self.downloads(stand, scale)]
        return Turn(median(waits), {})


class CsvMemory(_Export):
    name = "csv-memory"
    title = "CSV export, extra memory"
    unit = "MB"
    format = "csv"
    targets = (Target(5, at_most=True),)

    def take(self, stand: Stand, scale: Scale) -> Turn:
        grown = [found.extra_megabytes for _, found in self.downloads(stand, scale)]
        return Turn(median(grown), {})


class XlsxMemory(CsvMemory):
    name = "xlsx-memory"
    title = "XLSX export, extra memory"
    format = "xlsx"


class XlsxExport(_Export):
    name = "xlsx"
    title = "openpyxl, write-only / XLSX export"
    unit = "ratio"
    format = "xlsx"
    targets = (Target(3),)

    def take(self, stand: Stand, scale: Scale) -> Turn:
        found = list(self.downloads(stand, scale))
        reference = _written_by_openpyxl(stand.contender.database_url, found[0][0])
        return Turn(reference / median(download.seconds for _, download in found), {})


def _downloaded(stand: Stand, path: str, headers: dict[str, str]) -> Download:
    with _memory_of(stand.pid) as grown:
        started = time.perf_counter()
        with closing(HTTPConnection("127.0.0.1", stand.port, timeout=120)) as client:
            client.request("GET", path, headers=headers)
            answer = client.getresponse()
            size = len(answer.read(1))
            first = time.perf_counter() - started
            while piece := answer.read(262_144):
                size += len(piece)
        seconds = time.perf_counter() - started
    if answer.status != 200 or size < 10_000:
        raise WrongAnswer(f"{path} answered {answer.status} with {size} bytes.")
    return Download(seconds, first, size, grown[0])


@contextmanager
def _memory_of(pid: int) -> Iterator[list[float]]:
    """A list of one: by how many MB the processes below `pid` grew at most. 0 without /proc."""
    grown, done = [0.0], threading.Event()
    before = _resident(pid)

    def watch() -> None:
        while not done.wait(0.005):
            grown[0] = max(grown[0], _resident(pid) - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield grown
    finally:
        done.set()
        watcher.join()


def _resident(pid: int) -> float:
    """MB."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    if not children.exists():
        return 0.0
    pages = sum(
        int(Path(f"/proc/{child}/statm").read_text().split()[1])
        for child in children.read_text().split()
    )
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _copied(database_url: str, event_id: int) -> float:
    """Seconds that psql takes, else the driver, which is faster to start."""
    select = " ".join(_SELECT.format(event_id=event_id).split())
    started = time.perf_counter()
    psql = find_tool("psql")
    with tempfile.NamedTemporaryFile() as file:
        if psql is not None:
            command = f"\\copy ({select}) TO '{file.name}' (FORMAT csv, HEADER)"
            subprocess.run([psql, "-qX", database_url, "-c", command], check=True)
        else:
            with (
                psycopg.connect(database_url) as connection,
                connection.cursor().copy(f"COPY ({select}) TO STDOUT (FORMAT csv)") as copy,
            ):
                for piece in copy:
                    file.write(piece)
    return time.perf_counter() - started


def _written_by_openpyxl(database_url: str, event_id: int) -> float:
    """Seconds to read the rows and write them."""
    started = time.perf_counter()
    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet()
    with psycopg.connect(database_url) as connection, connection.cursor("rows") as cursor:
        cursor.execute(_SELECT.format(event_id=event_id))
        while rows := cursor.fetchmany(1000):
            for row in rows:
                sheet.append([None if value is None else str(value) for value in row])
    with tempfile.NamedTemporaryFile() as file:
        workbook.save(file.name)
    return time.perf_counter() - started
