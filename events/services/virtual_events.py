"""Virtual events: a date, a time and a description, without a name and a location."""

from collections.abc import Callable, Mapping
from typing import Any

from ..models import ONLINE, Event

MAX_NAME = 200


def is_virtual(fields: Mapping[str, Any]) -> bool:
    description = fields.get("description")
    return (
        {"date", "time"} <= fields.keys()
        and not {"name", "location"} & fields.keys()
        and isinstance(description, str)
        and bool(description.strip())
    )


def complete_texts(
    fields: Mapping[str, Any], event: Event | None, *, is_name: Callable[[str], bool]
) -> dict[str, Any]:
    """Fields with a location, and with a name if the description has one.

    A virtual event that replaces `event` has the name and the location of that event.
    """
    if event is not None and is_virtual(fields):
        return {**fields, "name": event.name, "location": event.location}
    completed = {"location": ONLINE, **fields}
    if "name" not in completed:
        lines = (line.replace("\t", " ").strip() for line in fields["description"].splitlines())
        names = (line[:MAX_NAME].strip() for line in lines)
        if name := next(filter(is_name, names), None):
            completed["name"] = name
    return completed
