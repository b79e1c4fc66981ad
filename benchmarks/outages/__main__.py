"""Prints a table of faults, and exits with 1 for a broken promise."""

import argparse
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from .deployment import PASSWORD, Deployment
from .faults import Fault, all_faults
from .load import Load, Response
from .parts import wait_until

RECOVERY_SECONDS = 20.0
ALLOWED_SECONDS = 10.0  # until all requests succeed again, after a part is back


@dataclass(frozen=True)
class Result:
    fault: str
    away: float
    responses: int
    statuses: Counter[int]
    slowest: float
    resumed: float
    """Seconds from the return of the part to the end of the last failed request that began after
    it."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--interval", type=float, default=0.5, help="seconds, for each client")
    parser.add_argument("--only", action="append", help="part of the name of a fault")
    options = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("Run it as root: each database has a file system of its own.")
    with TemporaryDirectory(prefix="outages-", dir="/var/tmp") as name:
        deployment = Deployment(Path(name))
        try:
            deployment.start()
            return _run(deployment, options)
        except BaseException:
            _print_logs(Path(name) / "logs")
            raise
        finally:
            deployment.remove()


def _run(deployment: Deployment, options: argparse.Namespace) -> int:
    token, events = _create_events(deployment)
    load = Load(deployment.port, events, token, options.clients, options.interval)
    load.start()
    end = time.monotonic() + 60 * options.minutes
    results: list[Result] = []
    memory, connections = [], []
    try:
        time.sleep(RECOVERY_SECONDS)
        while True:
            for fault in all_faults(deployment):
                if options.only and not any(text in fault.name for text in options.only):
                    continue
                memory.append(_memory(deployment))
                results.append(_try(fault, load))
                print(_row(results[-1]), flush=True)
                connections.append(_connections(deployment))
            if time.monotonic() > end:
                break
    finally:
        load.stop()
    wait_until(lambda: not _queued(deployment), 120, "the queue of e-mails")
    broken = _broken_promises(deployment, load, results)
    print(f"\nresponses {len(load.responses)}, registered {len(load.registered)}, ", end="")
    print(f"cancelled {len(load.cancelled)}, e-mails {len(deployment.mail.recipients)}, ", end="")
    print(f"live messages {len(load.stream_messages)}")
    print("restarts: ", {part.name: part.restarts for part in deployment.parts})
    print("memory, MB:", *(f"{value:.0f}" for value in memory))
    print("connections of PostgreSQL:", *connections)
    for line in broken:
        print("BROKEN:", line)
    return bool(broken)


def _try(fault: Fault, load: Load) -> Result:
    started_at, first = time.monotonic(), len(load.responses)
    fault.begin()
    time.sleep(fault.seconds)
    fault.end()
    returned_at = time.monotonic()
    time.sleep(RECOVERY_SECONDS)
    responses = load.responses[first:]
    fault.repair()
    late = [
        response.at - returned_at
        for response in responses
        if _has_failed(response) and response.at - response.seconds > returned_at
    ]
    return Result(
        fault.name,
        returned_at - started_at,
        len(responses),
        Counter(response.status for response in responses if _has_failed(response)),
        max((response.seconds for response in responses), default=0.0),
        max(late, default=0.0),
    )


def _has_failed(response: Response) -> bool:
    return response.status == 0 or response.status >= 500


def _row(result: Result) -> str:
    statuses = ", ".join(
        f"{count} of {status or 'no response'}" for status, count in sorted(result.statuses.items())
    )
    return (
        f"| {result.fault} | {result.away:.0f} s | {result.responses} | {statuses or 'none'} "
        f"| {result.slowest:.1f} s | {result.resumed:.1f} s |"
    )


def _broken_promises(deployment: Deployment, load: Load, results: list[Result]) -> list[str]:
    broken = [f"{result.fault}: a 500" for result in results if result.statuses[500]]
    broken += [
        f"{result.fault}: failures until {result.resumed:.1f} s after the return"
        for result in results
        if result.resumed > ALLOWED_SECONDS
    ]
    with deployment.database() as connection:
        states = dict(
            connection.execute("SELECT id::text, status FROM registrations_registration").fetchall()
        )
        unsent = connection.execute(
            "SELECT count(*) FROM accounts_notification WHERE state = 'parked'"
        ).fetchone()[0]
    if lost := load.registered.keys() - states.keys():
        broken.append(f"{len(lost)} acknowledged registrations are missing")
    uncancelled = [pk for pk in load.cancelled if states[pk] != "cancelled"]
    unexpected = [pk for pk in load.registered.keys() - load.cancelled if states[pk] == "cancelled"]
    if uncancelled or unexpected:
        broken.append(f"{len(uncancelled)} not cancelled, {len(unexpected)} cancelled unasked")
    if len(states) != len(load.registered):
        broken.append(f"{len(states)} rows for {len(load.registered)} registrations")
    if unsent:
        broken.append(f"{unsent} e-mails were given up")
    try:
        print(deployment.manage("check_integrity"))
    except RuntimeError as error:
        broken.append(str(error))
    return broken


def _create_events(deployment: Deployment) -> tuple[str, list[int]]:
    account = deployment.api(
        "POST", "/api/register/", {"email": "olga@example.com", "password": PASSWORD}
    )
    events = [
        deployment.api(
            "POST",
            "/api/events/",
            {
                "name": f"Conference {number}",
                "location": "Hall",
                "start_time": "2040-05-25T14:00:00Z",
                "max_capacity": 20 if number % 2 else 5000,
                "waitlist_enabled": True,
            },
            account["access"],
        )["id"]
        for number in range(8)
    ]
    return account["access"], events


def _queued(deployment: Deployment) -> int:
    with deployment.database() as connection:
        return connection.execute(
            "SELECT count(*) FROM accounts_notification WHERE state = 'pending'"
        ).fetchone()[0]


def _memory(deployment: Deployment) -> float:
    parts = [*deployment.hosts, deployment.worker, deployment.mailer]
    return sum(part.memory_megabytes() for part in parts)


def _connections(deployment: Deployment) -> int:
    with deployment.primary.connect() as connection:
        return connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = 'events'"
        ).fetchone()[0]


def _print_logs(directory: Path) -> None:
    for path in sorted(directory.iterdir()):
        sys.stderr.write(f"--- {path.name}\n{path.read_text(errors='replace')[-2000:]}\n")


if __name__ == "__main__":
    sys.exit(main())
