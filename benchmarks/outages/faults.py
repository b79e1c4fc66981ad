"""What fails, and how it comes back."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import psycopg

from .deployment import Deployment
from .parts import Part


@dataclass(frozen=True)
class Fault:
    name: str
    begin: Callable[[], object]
    end: Callable[[], object] = lambda: None
    repair: Callable[[], object] = lambda: None
    """What an administrator does later."""
    seconds: float = 15
    """Between `begin` and `end`."""


def all_faults(parts: Deployment) -> Iterator[Fault]:
    yield _killed("a process of web", lambda: parts.hosts[0].pids()[1:2])
    yield _killed("a web host", parts.hosts[1].pids)
    yield _stopped(parts.hosts[0], "a web host is away")
    yield Fault("SIGHUP to both web hosts", lambda: _reload(parts.hosts), seconds=0)
    yield _killed("the worker", parts.worker.pids)
    yield _killed("the mailer", parts.mailer.pids)
    yield Fault("the mail server is away", parts.mail.stop, parts.mail.start)
    yield _killed("Redis", parts.redis.pids)
    yield _frozen(parts.redis)
    yield _killed("PgBouncer", parts.pooler.pids)
    yield _frozen(parts.pooler)
    yield _stopped(parts.nginx, "nginx is away")
    yield Fault("PostgreSQL killed", parts.primary.part.kill, parts.wait_for_commits, seconds=0)
    yield Fault("PostgreSQL away", lambda: parts.primary.part.stop(signal.SIGINT),
                lambda: _start_primary(parts))  # fmt: skip
    yield Fault("PostgreSQL frozen", lambda: parts.primary.part.signal(signal.SIGSTOP),
                lambda: parts.primary.part.signal(signal.SIGCONT))  # fmt: skip
    yield Fault("PostgreSQL read-only", lambda: _set_read_only(parts, "on"),
                lambda: _set_read_only(parts, "off"))  # fmt: skip
    yield Fault("disk full", parts.primary.fill_disk, parts.primary.empty_disk)
    yield _crowded(parts)
    yield Fault("fail-over", parts.fail_over, repair=parts.rebuild_standby, seconds=0)


def _killed(name: str, pids: Callable[[], list[int]]) -> Fault:
    def kill() -> None:
        for pid in pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    return Fault(f"{name} killed", kill, seconds=0)


def _stopped(part: Part, name: str) -> Fault:
    return Fault(name, part.stop, part.start)


def _frozen(part: Part) -> Fault:
    return Fault(
        f"{part.name} frozen",
        lambda: part.signal(signal.SIGSTOP),
        lambda: part.signal(signal.SIGCONT),
    )


def _start_primary(parts: Deployment) -> None:
    parts.primary.start()
    parts.wait_for_commits()


def _reload(hosts: list[Part]) -> None:
    for host in hosts:
        os.kill(host.pids()[0], signal.SIGHUP)


def _set_read_only(parts: Deployment, value: str) -> None:
    with parts.primary.connect() as connection:
        connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
        connection.execute("SELECT pg_reload_conf()")


def _crowded(parts: Deployment) -> Fault:
    """Another program takes all connections that are free."""
    connections: list[psycopg.Connection] = []

    def occupy() -> None:
        with suppress(psycopg.OperationalError):
            while True:
                connections.append(
                    psycopg.connect(
                        host="127.0.0.1", port=parts.primary.port, user="events", dbname="events"
                    )
                )

    def release() -> None:
        while connections:
            connections.pop().close()

    return Fault("no connection free", occupy, release)
