"""The processes of a deployment, which a service manager would start again."""

import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

RESTART_SECONDS = 2.0  # as in the units of docs/deployment/debian


class Part:
    """A process that is started again when it has ended, unless `stop` ended it."""

    def __init__(
        self,
        name: str,
        command: list[str],
        *,
        logs: Path,
        user: str | None = None,
        environment: dict[str, str] | None = None,
        directory: Path | None = None,
    ) -> None:
        self.name = name
        self.restarts = 0
        self._command = command
        self._log = logs / f"{name}.log"
        self._environment = environment or {}
        self._directory = directory
        self._identity = _identity(user)
        self._is_wanted = Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper = Thread(target=self._keep, name=name, daemon=True)

    def start(self) -> None:
        self._is_wanted.set()
        self._spawn()
        if not self._keeper.is_alive():
            self._keeper = Thread(target=self._keep, name=self.name, daemon=True)
            self._keeper.start()

    def stop(self, number: int = signal.SIGTERM, seconds: float = 60) -> None:
        """End the process and leave it away."""
        self._is_wanted.clear()
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            process.wait(10)

    def kill(self) -> None:
        """End the process and its children at once. It is started again."""
        self.signal(signal.SIGKILL)

    def signal(self, number: int) -> None:
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def pids(self) -> list[int]:
        """The process and all below it."""
        if self._process is None or self._process.poll() is not None:
            return []
        return _tree(self._process.pid)

    def memory_megabytes(self) -> float:
        """Proportional set sizes, which count shared pages once."""
        return sum(_pss_kilobytes(pid) for pid in self.pids()) / 1024

    def _spawn(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._directory,
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._identity,
            )

    def _keep(self) -> None:
        while self._is_wanted.is_set():
            process = self._process
            if process is not None and process.poll() is not None:
                time.sleep(RESTART_SECONDS)
                if self._is_wanted.is_set():
                    self.restarts += 1
                    self._spawn()
            time.sleep(0.1)


def wait_until(condition: Callable[[], object], seconds: float, name: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{name} took more than {seconds:.0f} s.")
        time.sleep(0.1)


def _identity(user: str | None) -> dict[str, object]:
    if user is None:
        return {}
    account = pwd.getpwnam(user)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _tree(pid: int) -> list[int]:
    pids = [pid]
    for parent in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
            pids += map(int, children)
    return pids


def _pss_kilobytes(pid: int) -> int:
    with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0
