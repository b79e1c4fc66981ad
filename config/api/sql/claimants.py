"""The processes that claim rows of a queue."""

import random

from django.db import connection
from django.db.models import Model, QuerySet
from django.utils import timezone

_RUNNING = """
    SELECT objid::bigint FROM pg_locks
    WHERE locktype = 'advisory' AND classid = %s AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class Claimants:
    """Processes that claim rows. Each holds an advisory lock on a number of its own.

    Rows with a number that is not locked belonged to a process that was killed.

    `locks` is the class of the advisory locks. Rows of `model` have the number in `claimed_by` and
    the end of the lease in `attempt_at` while they are `pending`.
    """

    def __init__(self, model: type[Model], locks: int) -> None:
        self._model = model
        self._locks = locks

    def register(self) -> int:
        """A new number, locked by the connection of the caller."""
        while True:
            number = random.randrange(1, 2**31)  # noqa: S311  # not a secret
            if self.lock(number):
                return number

    def lock(self, number: int) -> bool:
        """Lock a number. False while another connection, such as the former one, has it."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [self._locks, number])
            return bool(cursor.fetchone()[0])

    def unregister(self, number: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [self._locks, number])

    def running(self) -> set[int]:
        """The numbers of those that are connected."""
        with connection.cursor() as cursor:
            cursor.execute(_RUNNING, [self._locks])
            return {number for (number,) in cursor.fetchall()}

    def give_back_all(self, number: int) -> None:
        """Release every claim of one that lost its connection."""
        self._release(self._claimed().filter(claimed_by=number))

    def release_orphaned(self, suspects: set[int]) -> set[int]:
        """Release the claims of those that are not connected and were not at the previous check.

        `suspects` is the result of the previous check. Two checks are needed, since a process that
        lost its connection takes a moment to reconnect. Returns the suspects for the next check.
        """
        claimed = self._claimed().values_list("claimed_by", flat=True)
        claimants = {number for number in claimed if number}
        if not claimants:
            return set()
        disconnected = claimants - self.running()
        if orphaned := disconnected & suspects:
            self._release(self._claimed().filter(claimed_by__in=orphaned))
        return disconnected - suspects

    def _claimed(self) -> QuerySet[Model]:
        return self._model._default_manager.filter(claimed_by__isnull=False)

    def _release(self, rows: QuerySet[Model]) -> None:
        rows.filter(state="pending").update(claimed_by=None, attempt_at=timezone.now())
