"""The list of an event that phones at the door keep for losses of the network."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Func, TextField

from config.api.text.folding import alphabetical
from events.models import Event

from ..models import ADMITTED_COUNT, Registration


class _Digest(Func):
    """The SHA-256 of a text in hexadecimal digits."""

    template = "encode(sha256(convert_to(%(expressions)s, 'UTF8')), 'hex')"
    output_field = TextField()


@dataclass(frozen=True, slots=True)
class DoorList:
    event: Event
    rows: list[dict[str, Any]]


def door_list(event: Event) -> DoorList:
    """The live registrations by name, each with the digest of its ticket's code.

    A lost phone has neither addresses nor tickets: nobody can find the code of a digest.
    """
    rows: Any = (
        Registration.objects.filter(event=event)
        .live()
        .order_by(alphabetical("name"), "pk")
        .values(
            "id",
            "name",
            "status",
            "checked_in_at",
            "party_size",
            admitted_count=ADMITTED_COUNT,
            ticket_sha256=_Digest("ticket_code"),
        )
    )
    return DoorList(event, list(rows))
