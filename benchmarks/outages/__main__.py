"""Prints a table of faults, and exits with 1 for a broken promise."""

import argparse
import itertools
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from .deployment import PASSWORD, Deployment
from .faults import Fault, all_faults
from .load import Load
from .parts import wait_until
from .promises import Result, broken_promises, has_failed

RECOVERY_SECONDS = 15.0
# A webhook that failed twice is sent again five minutes later.
QUEUE_SECONDS = 420.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20, help="and each fault at least once")
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--interval", type=float, default=0.5, help="seconds, for each client")
    parser.add_argument("--only", action="append", help="part of the name of a fault")
    options = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("Run it as root: each database has a file system of its own.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Terminated."))  # what was started ends too
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
    load = _begin_load(deployment, options)
    started_at = time.monotonic()
    results: list[Result] = []
    try:
        time.sleep(RECOVERY_SECONDS)
        for round_number in itertools.count():
            for fault in all_faults(deployment):
                if options.only and not any(text in fault.name for text in options.only):
                    continue
                if round_number and time.monotonic() - started_at > 60 * options.minutes:
                    break
                results.append(_try(fault, deployment, load))
                print(results[-1].row(), flush=True)
            if time.monotonic() - started_at > 60 * options.minutes:
                break
    finally:
        load.stop()
    seconds = time.monotonic() - started_at
    wait_until(lambda: not _queued(deployment), QUEUE_SECONDS, "the queues")
    broken = list(broken_promises(deployment, load, results))
    _print_sums(deployment, load, results, seconds)
    for line in broken:
        print("BROKEN:", line)
    return bool(broken)


def _print_sums(deployment: Deployment, load: Load, results: list[Result], seconds: float) -> None:
    print(
        f"\n{seconds / 60:.0f} minutes, responses {len(load.responses)}, "
        f"registered {len(load.registered)}, cancelled {len(load.cancelled)}, "
        f"events {len(load.created)}, e-mails {len(deployment.mail.recipients)}, "
        f"webhooks {deployment.hooks.received}, live messages {len(load.stream_messages)}"
    )
    print("restarts:", {part.name: part.restarts for part in deployment.parts})
    print("memory, MB:", *(f"{result.memory:.0f}" for result in results))
    print("connections of PostgreSQL:", *(result.connections for result in results))


def _try(fault: Fault, deployment: Deployment, load: Load) -> Result:
    started_at, first = time.monotonic(), len(load.responses)
    fault.begin()
    time.sleep(fault.seconds)
    fault.end()
    returned_at = time.monotonic()
    time.sleep(RECOVERY_SECONDS)
    responses = load.responses[first:]
    fault.repair()
    wait_until(deployment.responds, 90, "a part")  # so that one fault does not meet another
    late = [
        response.at - returned_at
        for response in responses
        if has_failed(response) and response.at - response.seconds > returned_at
    ]
    live = [at - returned_at for at in load.stream_messages if at > returned_at]
    return Result(
        fault=fault.name,
        is_hidden=fault.is_hidden,
        away=returned_at - started_at,
        responses=len(responses),
        failed=Counter((each.status, each.kind) for each in responses if has_failed(each)),
        slowest=max((response.seconds for response in responses), default=0.0),
        resumed=max(late, default=0.0),
        live=min(live, default=float("inf")),
        memory=_memory(deployment),
        connections=_connections(deployment),
    )


def _begin_load(deployment: Deployment, options: argparse.Namespace) -> Load:
    organizer = {"email": "olga@example.com", "password": PASSWORD}
    token = deployment.api("POST", "/api/register/", organizer)["access"]
    hook = {"url": f"http://127.0.0.1:{deployment.hooks.port}/", "types": ["registration.*"]}
    deployment.api("POST", "/api/webhooks/", hook, token)
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
            token,
        )["id"]
        for number in range(8)
    ]
    load = Load(
        deployment.port, events, organizer=organizer, token=token,
        clients=options.clients, interval=options.interval,
    )  # fmt: skip
    load.start()
    return load


def _queued(deployment: Deployment) -> int:
    with deployment.database() as connection:
        (number,) = connection.execute(
            """
            SELECT (SELECT count(*) FROM accounts_notification WHERE state = 'pending')
                + (SELECT count(*) FROM registrations_webhookdelivery WHERE state = 'pending')
            """
        ).fetchone()
    return number


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
