"""What the scans of one registration result in, in the order of their `at`."""

from collections.abc import Iterable
from datetime import datetime

from ..models import Registration, Scan


def check_in_of(scans: Iterable[Scan]) -> Scan | None:
    """The check-in in effect. Scans at the same instant count in the order of their arrival."""
    current = None
    for scan in sorted(scans, key=lambda scan: scan.at):
        if scan.kind == Scan.Kind.UNDO:
            current = None
        elif current is None:
            current = scan
    return current


def admitted_by(scans: Iterable[Scan]) -> int:
    """The number of people that the scans after the last undo admit."""
    admitted = 0
    for scan in sorted(scans, key=lambda scan: scan.at):
        if scan.kind == Scan.Kind.UNDO:
            admitted = 0
        elif scan.count is None:
            admitted = max(admitted, scan.party_size)
        else:
            admitted += scan.count
    return admitted


def effective_time(scan: Scan, history: list[Scan]) -> datetime:
    """The time of a scan at this moment, which takes effect whatever the phones' clocks said."""
    return max([scan.at, *(other.at for other in history if other.kind != scan.kind)])


def check_in_before_scans(scan: Scan, registration: Registration, at: datetime) -> Scan:
    """The scan that stands for a check-in from the time before scans were stored."""
    return Scan(
        event=scan.event,
        registration=registration,
        kind=Scan.Kind.CHECK_IN,
        at=at,
        received_at=scan.received_at,
        by_id=registration.checked_in_by_id,
        party_size=registration.party_size,
        count=registration.admitted_count,
        admitted_now=registration.admitted_count,
        absent_count=registration.absent_count,
        checked_in_at=at,
    )
