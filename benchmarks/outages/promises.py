"""What the service promises, checked against what the clients and receivers got."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from .deployment import Deployment
from .load import Load, Response

ALLOWED_SECONDS = 10.0  # until all requests succeed again, after a part is back
ALLOWED_GROWTH = 1.1  # of memory, from the most in the first half to the most in the second
# docs/deployment/README.md: the pool of the example, a worker's and a mailer's connections, and
# the one that counts them.
ALLOWED_CONNECTIONS = 20 + 9 + 2 + 1


@dataclass(frozen=True)
class Result:
    fault: str
    is_hidden: bool
    away: float
    responses: int
    failed: Counter[tuple[int, str]]
    """Responses by status and kind of request."""
    slowest: float
    resumed: float
    """Seconds from the return of the part to the end of the last failed request that began after
    it."""
    live: float
    """Seconds from the return of the part to the next message of a stream."""
    memory: float
    connections: int

    def row(self) -> str:
        statuses = Counter[int]()
        for (status, _), count in self.failed.items():
            statuses[status] += count
        failed = ", ".join(
            f"{count} of {status or 'no response'}" for status, count in sorted(statuses.items())
        )
        return (
            f"| {self.fault} | {self.away:.0f} s | {self.responses} | {failed or 'none'} "
            f"| {self.slowest:.1f} s | {self.resumed:.1f} s | {self.live:.1f} s |"
        )


def has_failed(response: Response) -> bool:
    return response.status == 0 or response.status >= 500


def broken_promises(deployment: Deployment, load: Load, results: list[Result]) -> Iterator[str]:
    for result in results:
        yield from _of_one_fault(result)
    yield from load.refused[:3]
    yield from _of_resources(results)
    yield from _of_data(deployment, load)
    yield from _of_deliveries(deployment, load)


def _of_one_fault(result: Result) -> Iterator[str]:
    if any(status == 500 for status, _ in result.failed):
        yield f"{result.fault}: a 500: {dict(result.failed)}"
    if result.is_hidden and result.failed:
        yield f"{result.fault}: clients noticed it: {dict(result.failed)}"
    if result.resumed > ALLOWED_SECONDS:
        yield f"{result.fault}: failures until {result.resumed:.1f} s after the return"
    if result.live > ALLOWED_SECONDS:
        yield f"{result.fault}: no live message until {result.live:.1f} s after the return"


def _of_resources(results: list[Result]) -> Iterator[str]:
    memory = [result.memory for result in results]
    middle = (len(memory) + 1) // 2
    before, after = max(memory[:middle]), max(memory[middle:], default=0.0)
    if after > before * ALLOWED_GROWTH:
        yield f"memory grew from {before:.0f} to {after:.0f} MB"
    if (most := max(result.connections for result in results)) > ALLOWED_CONNECTIONS:
        yield f"PostgreSQL had {most} connections"


def _of_data(deployment: Deployment, load: Load) -> Iterator[str]:
    with deployment.database() as connection:
        states = dict(
            connection.execute("SELECT id::text, status FROM registrations_registration").fetchall()
        )
        events = {pk for (pk,) in connection.execute("SELECT id FROM events_event").fetchall()}
    if lost := load.registered.keys() - states.keys():
        yield f"{len(lost)} acknowledged registrations are missing"
    if len(states) != len(load.registered):
        yield f"{len(states)} rows for {len(load.registered)} registrations"
    if events != {*load.events, *load.created}:
        yield f"{len(events)} events, of which {len(load.created)} were acknowledged"
    uncancelled = [pk for pk in load.cancelled if states.get(pk) != "cancelled"]
    unasked = [
        pk for pk in load.registered.keys() - load.cancelled if states.get(pk) == "cancelled"
    ]
    if uncancelled or unasked:
        yield f"{len(uncancelled)} not cancelled, {len(unasked)} cancelled unasked"
    try:
        deployment.manage("check_integrity")
    except RuntimeError as error:
        yield str(error)


def _of_deliveries(deployment: Deployment, load: Load) -> Iterator[str]:
    with deployment.database() as connection:
        (unsent,) = connection.execute(
            "SELECT count(*) FROM accounts_notification WHERE state = 'parked'"
        ).fetchone()
        (undelivered,) = connection.execute(
            "SELECT count(*) FROM registrations_webhookdelivery WHERE state <> 'delivered'"
        ).fetchone()
    if unsent or undelivered:
        yield f"{unsent} e-mails and {undelivered} webhooks were given up"
    told = deployment.hooks.told
    if untold := load.registered.keys() - set[str]().union(*told.values()):
        yield f"no webhook told about {len(untold)} registrations"
    if untold := load.cancelled - told.get("registration.cancelled", set()):
        yield f"no webhook told about {len(untold)} cancellations"
