"""Factories of registrations. They call the service, so counters and queue are consistent."""

from itertools import count

from accounts.models import User
from events.models import Event
from registrations.models import Registration, Webhook
from registrations.services import register
from registrations.webhooks.secrets import encrypted, new_secret

_numbers = count(1)


def registered(event: Event, **fields: object) -> Registration:
    """The registration of a guest, with a unique address unless `email` is given."""
    number = next(_numbers)
    values = {"name": f"Guest {number}", "email": f"guest{number}@example.com", **fields}
    return register(event.pk, **values)


def registered_silently(event: Event, **fields: object) -> Registration:
    """`registered` without a notification, for tests of later notifications."""
    return registered(event, notify=False, **fields)


def WebhookFactory(user: User, **fields: object) -> Webhook:
    """A webhook of every type to an address that does not exist."""
    kinds = ("event", "series", "registration", "feedback", "message", "team", "form")
    values = {
        "url": "https://hooks.invalid/events",
        "types": [f"{kind}.*" for kind in kinds],
        "secret": encrypted(new_secret()),
        "starts_after": 0,
        **fields,
    }
    return Webhook.objects.create(user=user, **values)
