"""Changes of all kinds, as a storm of writers makes them. Some are rolled back or cut off."""

import random
from collections.abc import Callable, Sequence
from uuid import uuid4

from django.db import InterfaceError, OperationalError, connection, transaction

from accounts.models import User
from config.errors import DomainError
from events.models import Event
from events.services import edit_event
from registrations.models import LedgerEntry, Registration
from registrations.services import cancel_registration, import_attendees, register
from registrations.services.bulk import Candidate
from registrations.services.editing import edit_registration

ROLLED_BACK = 0.2
IMPORTED = 4


class Writer:
    """Makes changes of random kinds on random events, each in a transaction of its own."""

    def __init__(self, event_ids: Sequence[int], seed: int) -> None:
        self._event_ids = event_ids
        self._random = random.Random(seed)

    def write(self, times: int) -> None:
        for _ in range(times):
            self.write_once()
        connection.close()

    def write_once(self) -> None:
        kinds: list[Callable[[int], None]] = [
            self._register, self._register, self._import, self._cancel, self._edit, self._rename,
        ]  # fmt: skip
        event_id = self._random.choice(self._event_ids)
        # In the order of locks: a renaming locks its row alone.
        chosen = sorted(self._random.sample(range(len(kinds)), self._random.choice((1, 1, 2))))
        is_rolled_back = self._random.random() < ROLLED_BACK
        try:
            with transaction.atomic():
                for number in chosen:
                    kinds[number](event_id)
                transaction.set_rollback(is_rolled_back)
        except DomainError:  # such as a cancelled registration that was to be renamed
            pass
        except (OperationalError, InterfaceError):  # the connection was ended, or a deadlock was
            connection.close()

    def _register(self, event_id: int) -> None:
        register(event_id, name="G:0", email=f"{uuid4()}@example.com", notify=False)

    def _import(self, event_id: int) -> None:
        rows = [Candidate(n, "G:0", f"{uuid4()}@example.com") for n in range(IMPORTED)]
        organizer = User.objects.get(organized_events=event_id)
        import_attendees(event_id, rows, by=organizer, notify=False)

    def _cancel(self, event_id: int) -> None:
        if row := self._some_registration(event_id):
            cancel_registration(row, reason=LedgerEntry.Reason.BY_GUEST, notify=False)

    def _rename(self, event_id: int) -> None:
        """The name counts how often it was changed."""
        if row := self._some_registration(event_id):
            current = Registration.objects.select_for_update().get(pk=row.pk)
            edit_registration(current, name=f"G:{renamings(current.name) + 1}")

    def _edit(self, event_id: int) -> None:
        edit_event(Event.objects.get(pk=event_id), {"description": str(uuid4())})

    def _some_registration(self, event_id: int) -> Registration | None:
        rows = Registration.objects.filter(event=event_id).exclude(status="cancelled")
        return self._random.choice(list(rows.order_by("pk")[:50]) or [None])


def renamings(name: str) -> int:
    return int(name.partition(":")[2])
