"""Registrations come about through the service, so that counters and queue are always right."""

from itertools import count

from events.models import Event
from registrations.models import Registration
from registrations.services import register

_numbers = count(1)


def registered(event: Event, **fields: object) -> Registration:
    """A guest who registered, with an address of their own unless `email` says which."""
    number = next(_numbers)
    values = {"name": f"Guest {number}", "email": f"guest{number}@example.com", **fields}
    return register(event.pk, **values)


def untold(event: Event, **fields: object) -> Registration:
    """As `registered`, with nobody told: for tests of what they are told later."""
    return registered(event, notify=False, **fields)
