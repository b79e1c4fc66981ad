"""Web servers: the product's as the Procfile starts it, and granian for the others.

granian is the fastest WSGI server there is, so the product's own is not what it wins by.
"""

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from .load import ROOT

PRODUCT = "config.wsgi:application"
_START_SECONDS = 60.0
_STOP_SECONDS = 15.0


class ServerError(Exception):
    """A server did not start; the message has the end of its log."""


def command(application: str, environment: Mapping[str, str], interface: str = "wsgi") -> list[str]:
    """For the product the Procfile's line for `web`, with this Python."""
    if application == PRODUCT:
        lines = (ROOT / "Procfile").read_text(encoding="utf-8").splitlines()
        line = next(line.partition(":")[2] for line in lines if line.startswith("web:"))
        return shlex.split(line)
    workers = environment.get("WEB_CONCURRENCY") or "2"
    options = f"--interface {interface} --port {environment['PORT']} --workers {workers}"
    if interface == "wsgi":  # ASGI has no threads to number
        threads = environment.get("WEB_THREADS") or "4"
        options += f" --blocking-threads {threads} --blocking-threads-idle-timeout 600"
    return shlex.split(f"granian {options} --backpressure 512 --no-ws --http 1 {application}")


class Running(NamedTuple):
    port: int
    pid: int  # of the process whose children are the workers


@contextlib.contextmanager
def running(
    application: str, environment: Mapping[str, str], interface: str = "wsgi"
) -> Iterator[Running]:
    """Serve it on a free port of 127.0.0.1 until the end of the block."""
    port = _free_port()
    full = {**os.environ, **environment, "HOST": "127.0.0.1", "PORT": str(port)}
    full["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{full.get('PATH', '')}"
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command(application, full, interface),
            cwd=ROOT,
            env=full,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # a group of its own, which can be ended as a whole
        )
        try:
            _wait_until_ready(process, port)
            yield Running(port, process.pid)
        except BaseException as error:
            log.seek(0)
            error.add_note(
                f"{application} wrote at last: {log.read()[-2000:].decode(errors='replace')}"
            )
            raise
        finally:
            _stop(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    """Until it answers anything at all."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServerError(f"The server ended with status {process.returncode}.")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as probe:
            probe.settimeout(_START_SECONDS)
            probe.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            if probe.recv(1):
                return
        time.sleep(0.05)
    raise ServerError(f"The server did not answer within {_START_SECONDS:.0f} seconds.")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # workers that outlived it, if any
    process.wait()
