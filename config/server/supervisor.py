"""Starts, watches and replaces the processes of the web server.

Each process has a listening socket of its own, among which the kernel deals new connections
(SO_REUSEPORT). The sockets stay with the supervisor, so connections that wait at the socket of a
process that has died are accepted by the one that follows.

SIGTERM and SIGINT end all gracefully. SIGHUP replaces one process after another, each once its
successor serves, so that new code or settings cost no request.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field

_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}
_SECONDS_BETWEEN_LOOKS = 0.2
# More than a process takes to end what it has begun (`Limits.stop_seconds`).
_SECONDS_TO_STOP = 25
# A process that serves no sooner is not going to.
_SECONDS_TO_START = 120


class StartFailed(Exception):
    """A process ended before it served."""


@dataclass
class _Worker:
    process: "subprocess.Popen[bytes]"
    ready: int  # readable, once the process serves or has ended
    started_at: float = field(default_factory=time.monotonic)
    serves: bool = False


class Supervisor:
    def __init__(self, host: str, port: int, count: int) -> None:
        """Raises `OSError` when the address cannot be had."""
        self._address = (host, port)
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # SO_REUSEPORT shares a port with anybody: two servers of the same user would take turns.
        socket.create_server(self._address, family=self._family).close()
        self._sockets = [self._listening_socket() for _ in range(count)]
        self._workers: list[_Worker | None] = [None] * count
        # Processes hold the reading end, which ends with this process.
        self._lifeline, self._lifeline_kept = os.pipe()

    def run(self) -> int:
        """Serve until a signal; returns the exit status."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            for slot in range(len(self._sockets)):
                self._workers[slot] = self._started(slot)
            for worker in self._workers:
                self._await_service(worker)
            _say(f"Serving at {self._address[0]} port {self._address[1]}")
            return self._watch()
        except StartFailed as error:
            _say(str(error))
            self._stop()
            return 1
        except _Stopped:
            self._stop()
            return 0

    def _watch(self) -> int:
        while True:
            number = self._next_signal()
            if number == signal.SIGHUP:
                self._replace_all()
            for slot, worker in enumerate(self._workers):
                if worker is not None and worker.process.poll() is not None:
                    _say(f"Process {worker.process.pid} ended with {worker.process.returncode}")
                    self._workers[slot] = self._started(slot)
                    self._await_service(self._workers[slot])

    def _replace_all(self) -> None:
        for slot, old in enumerate(self._workers):
            new = self._started(slot)
            try:
                self._await_service(new)
            except StartFailed as error:
                _say(f"{error}; the old ones stay")
                return
            self._workers[slot] = new
            if old is not None:
                _end([old])
        _say("All processes are replaced")

    def _stop(self) -> None:
        for listening in self._sockets:
            listening.close()
        _end([worker for worker in self._workers if worker is not None])

    def _started(self, slot: int) -> _Worker:
        listening = self._sockets[slot].fileno()
        ready, ready_of_process = os.pipe()
        passed = (listening, ready_of_process, self._lifeline)
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "config.server.worker", *map(str, passed)],
            pass_fds=passed,
            preexec_fn=_unblock_signals,  # noqa: PLW1509  # this process has one thread
        )
        os.close(ready_of_process)
        return _Worker(process, ready)

    def _await_service(self, worker: _Worker | None) -> None:
        """Raises `StartFailed` and `_Stopped`."""
        assert worker is not None  # noqa: S101  # nosec
        while not select.select([worker.ready], [], [], 0)[0]:
            if time.monotonic() - worker.started_at > _SECONDS_TO_START:
                worker.process.kill()
                break
            if self._next_signal() == signal.SIGHUP:
                continue  # what starts now is new anyway
        worker.serves = bool(os.read(worker.ready, 1))
        os.close(worker.ready)
        if not worker.serves:
            status = worker.process.wait()
            raise StartFailed(f"A process ended with {status} before it served")

    def _next_signal(self) -> int | None:
        """SIGHUP, or None after a moment. Raises `_Stopped`."""
        found = signal.sigtimedwait(_SIGNALS, _SECONDS_BETWEEN_LOOKS)
        number = found.si_signo if found is not None else None
        if number in {signal.SIGTERM, signal.SIGINT}:
            raise _Stopped
        return number if number == signal.SIGHUP else None

    def _listening_socket(self) -> socket.socket:
        found = socket.socket(self._family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if self._family == socket.AF_INET6:
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        found.bind(self._address)
        return found


class _Stopped(Exception):
    """SIGTERM or SIGINT came."""


def _unblock_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def _end(workers: list[_Worker]) -> None:
    for worker in workers:
        worker.process.terminate()
    deadline = time.monotonic() + _SECONDS_TO_STOP
    for worker in workers:
        with suppress(subprocess.TimeoutExpired):
            worker.process.wait(max(0.0, deadline - time.monotonic()))
        worker.process.kill()
        worker.process.wait()


def _say(text: str) -> None:
    sys.stderr.write(f"{text}.\n")
    sys.stderr.flush()
