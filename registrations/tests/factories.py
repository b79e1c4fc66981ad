"""Factories of registrations. They call the service, so counters and queue are consistent."""

from itertools import count

from events.models import Event
from registrations.models import Registration
from registrations.services import register

_numbers = count(1)


def registered(event: Event, **fields: object) -> Registration:
    """The registration of a guest, with a unique address unless `email` is given."""
    number = next(_numbers)
    values = {"name": f"Guest {number}", "email": f"guest{number}@example.com", **fields}
    return register(event.pk, **values)


def registered_silently(event: Event, **fields: object) -> Registration:
    """`registered` without a notification, for tests of later notifications."""
    return registered(event, notify=False, **fields)
