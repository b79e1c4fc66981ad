"""Runs commands side by side, shows their output, and starts a command that ends again."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic

# More than the web server and the mailer need to complete their work.
STOP_SECONDS = 30.0
MAX_PAUSE_SECONDS = 30.0
# A command that ran for longer starts again without a growing pause.
STABLE_SECONDS = 10.0


class Processes:
    """One process for each command. Each line of their output has its command's name before it."""

    def __init__(self, commands: Mapping[str, str], directory: Path) -> None:
        self._directory = directory
        self._width = max(map(len, commands))
        self._stopping = Event()
        # A signal handler may take no lock, so it writes to a pipe.
        self._stop_reader, self._stop_writer = os.pipe()
        self._lock = Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._threads = [
            Thread(target=self._keep_running, args=(name, shlex.split(command)), name=name)
            for name, command in commands.items()
        ]

    def run(self) -> None:
        """Run until `stop` is called and every process has ended."""
        for thread in self._threads:
            thread.start()
        os.read(self._stop_reader, 1)
        self._stopping.set()
        self._signal(signal.SIGTERM)
        deadline = monotonic() + STOP_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - monotonic()))
        self._signal(signal.SIGKILL)
        for thread in self._threads:
            thread.join()

    def stop(self) -> None:
        """End `run`, from a signal handler too."""
        os.write(self._stop_writer, b".")

    def _keep_running(self, name: str, command: list[str]) -> None:
        pause = 1.0
        while not self._stopping.is_set():
            started_at = monotonic()
            try:
                status = self._run(name, command)
            except OSError as error:
                self._show(name, f"It cannot be started: {error}")
                status = 127  # as a shell reports it
            if self._stopping.is_set():
                return
            if monotonic() - started_at > STABLE_SECONDS:
                pause = 1.0
            self._show(name, f"It ended with status {status} and starts again in {pause:.0f} s.")
            self._stopping.wait(pause)
            pause = min(2 * pause, MAX_PAUSE_SECONDS)

    def _run(self, name: str, command: list[str]) -> int:
        """Run the command once and return its status, which is negative after a signal."""
        with self._lock:
            if self._stopping.is_set():
                return 0
            process = subprocess.Popen(  # noqa: S603  # a line of the Procfile
                command,
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                # A group of its own: Ctrl-C reaches only this process, which then ends them all.
                start_new_session=True,
            )
            self._running.add(process)
        with process:
            for line in process.stdout or ():
                self._show(name, line.rstrip("\n"))
        with self._lock:
            self._running.discard(process)
        return process.returncode

    def _signal(self, number: signal.Signals) -> None:
        with self._lock:
            for process in self._running:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, number)

    def _show(self, name: str, line: str) -> None:
        with self._lock:
            sys.stdout.write(f"{name:<{self._width}} | {line}\n")
            sys.stdout.flush()
