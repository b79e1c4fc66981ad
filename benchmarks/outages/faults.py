"""What fails, and how it comes back."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import psycopg

from .deployment import Deployment
from .parts import RESTART_SECONDS, Part


@dataclass(frozen=True)
class Fault:
    name: str
    begin: Callable[[], object]
    end: Callable[[], object] = lambda: None
    repair: Callable[[], object] = lambda: None
    """What an administrator does later."""
    seconds: float = 15
    """Between `begin` and `end`."""
    is_hidden: bool = False
    """Whether clients notice nothing but a delay, because no request needs the part alone."""


def all_faults(parts: Deployment) -> Iterator[Fault]:
    yield Fault(
        "the receiver of webhooks is away", parts.hooks.stop, parts.hooks.start, is_hidden=True
    )
    yield from _of_web(parts)
    yield from _of_processes_without_requests(parts)
    yield from _of_redis(parts)
    yield _killed("PgBouncer", parts.pooler)
    yield _frozen("PgBouncer", parts.pooler)
    yield _killed("nginx", parts.nginx)
    yield _frozen("nginx", parts.nginx)
    yield _stopped("nginx", parts.nginx)
    yield from _of_postgres(parts)


def _of_web(parts: Deployment) -> Iterator[Fault]:
    one, other = parts.hosts
    yield Fault("a process of web is killed", lambda: _kill(one.pids()[1:2]), seconds=0)
    yield _killed("a web host", other)
    yield _frozen("a web host", one)
    yield _stopped("a web host", one)
    yield Fault(
        "`SIGHUP` to both web hosts", lambda: _reload(parts.hosts), seconds=0, is_hidden=True
    )


def _of_processes_without_requests(parts: Deployment) -> Iterator[Fault]:
    for part in (parts.worker, parts.mailer):
        yield _killed(f"the {part.name}", part, is_hidden=True)
        yield _frozen(f"the {part.name}", part, is_hidden=True)
    yield Fault("the mail server is away", parts.mail.stop, parts.mail.start, is_hidden=True)


def _of_redis(parts: Deployment) -> Iterator[Fault]:
    yield _killed("Redis", parts.redis, is_hidden=True)
    yield _frozen("Redis", parts.redis, is_hidden=True)
    yield Fault(
        "Redis is full",
        lambda: parts.set_in_redis("maxmemory", "1"),
        lambda: parts.set_in_redis("maxmemory", "0"),
        is_hidden=True,
    )


def _of_postgres(parts: Deployment) -> Iterator[Fault]:
    yield Fault("PostgreSQL is killed", parts.primary.part.kill, parts.wait_for_commits, seconds=0)
    yield Fault(
        "PostgreSQL is away",
        lambda: parts.primary.part.stop(signal.SIGINT),
        lambda: _start_primary(parts),
    )
    yield _frozen("PostgreSQL", parts.primary.part)
    yield Fault(
        "PostgreSQL is read-only",
        lambda: _set_read_only(parts, "on"),
        lambda: _set_read_only(parts, "off"),
    )
    yield Fault("PostgreSQL's disk is full", parts.primary.fill_disk, parts.primary.empty_disk)
    yield _crowded(parts)
    yield _frozen("the standby", parts.standby.part)
    yield Fault(
        "fail-over to the standby", parts.fail_over, repair=parts.rebuild_standby, seconds=0
    )


def _kill(pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _killed(name: str, part: Part, *, is_hidden: bool = False) -> Fault:
    """It is back when the service manager has started it again."""
    return Fault(f"{name} is killed", part.kill, seconds=RESTART_SECONDS, is_hidden=is_hidden)


def _frozen(name: str, part: Part, *, is_hidden: bool = False) -> Fault:
    return Fault(
        f"{name} is frozen",
        lambda: part.signal(signal.SIGSTOP),
        lambda: part.signal(signal.SIGCONT),
        is_hidden=is_hidden,
    )


def _stopped(name: str, part: Part) -> Fault:
    return Fault(f"{name} is away", part.stop, part.start)


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

    return Fault("another program takes all connections", occupy, release)
