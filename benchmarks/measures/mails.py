"""Mails to a real SMTP server, which drops them."""

import os
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import ClassVar

from ..load import ROOT
from .accept import NEVER_FULL
from .base import Measure, Scale, Stand, Target, Turn, WrongAnswer

_PATIENCE_SECONDS = 120.0


class Mails(Measure):
    """Tickets of new registrations: rendered and handed over by one connection of the mailer."""

    name: ClassVar[str] = "mails"
    title: ClassVar[str] = "mails, for each second of a core"
    unit = "mails/s"
    targets = (Target(200),)
    of = ("product",)

    def take(self, stand: Stand, scale: Scale) -> Turn:
        contender, mails = stand.contender, scale.sale_seats
        stand.clear()
        event_id = stand.open_event(NEVER_FULL)
        stand.register(event_id, connections=8, requests=mails)
        with SmtpSink() as sink, mailer(contender.environment(), sink.port) as process:
            sink.wait_for(1)
            began, first = _processor_seconds(process), sink.mails
            sink.wait_for(mails)
            seconds = _processor_seconds(process) - began
        return Turn((mails - first) / seconds, {})


def mailer(
    environment: Mapping[str, str], port: int
) -> AbstractContextManager[subprocess.Popen[bytes]]:
    mail = {"EMAIL_URL": f"smtp://127.0.0.1:{port}"}
    return managed({**environment, **mail}, "deliver_notifications", "--connections", "1")


@contextmanager
def managed(environment: Mapping[str, str], *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """The process of a command of `manage.py`, which ends with the block."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _processor_seconds(process: subprocess.Popen[bytes]) -> float:
    """Of the process so far; the time of the clock without /proc."""
    stat = Path(f"/proc/{process.pid}/stat")
    if not stat.exists():
        return time.perf_counter()
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class SmtpSink(socketserver.ThreadingTCPServer):
    """Accepts every mail (RFC 5321) and counts them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.port = int(self.server_address[1])
        self.mails = 0
        self.arrived = threading.Condition()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def __exit__(self, *exc: object) -> None:
        self.shutdown()
        super().__exit__(*exc)

    def count(self) -> None:
        with self.arrived:
            self.mails += 1
            self.arrived.notify_all()

    def wait_for(self, number: int) -> None:
        with self.arrived:
            if not self.arrived.wait_for(lambda: self.mails >= number, _PATIENCE_SECONDS):
                raise WrongAnswer(f"{self.mails} mails arrived, not {number}.")


class _Session(socketserver.StreamRequestHandler):
    server: SmtpSink

    def handle(self) -> None:
        self._answer("220 ready")
        while line := self.rfile.readline():
            command = line[:4].upper()
            if command == b"DATA":
                self._answer("354 go on")
                while self.rfile.readline() not in {b".\r\n", b""}:
                    pass
                self.server.count()
            self._answer("221 bye" if command == b"QUIT" else "250 done")
            if command == b"QUIT":
                return

    def _answer(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())
