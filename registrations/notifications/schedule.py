"""When and where an event was, as a notification of a change remembers it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from events.models import Event

#: The fields of an event whose change is told.
TOLD = frozenset({"start_time", "end_time", "location", "meeting_url"})


def start_stamp(start: datetime) -> int:
    """Microseconds since 1970: what a reminder remembers of the start that it was made for."""
    return (start - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@dataclass(frozen=True)
class Schedule:
    """`link` stands for the link to join, which is for some eyes only."""

    start_time: datetime
    end_time: datetime
    location: str
    timezone: str
    link: str

    @classmethod
    def of(cls, event: Event, before: Mapping[str, Any]) -> "Schedule":
        """That of an event, or with what some of its fields were `before`."""

        def field(name: str) -> Any:
            return before.get(name, getattr(event, name))

        return cls(
            start_time=field("start_time"),
            end_time=field("end_time"),
            location=field("location"),
            timezone=field("timezone"),
            link=hashlib.sha256(field("meeting_url").encode()).hexdigest()[:16],
        )

    def as_facts(self) -> dict[str, str]:
        times = {name: getattr(self, name).isoformat() for name in ("start_time", "end_time")}
        return {**times, "location": self.location, "timezone": self.timezone, "link": self.link}

    @classmethod
    def from_facts(cls, facts: Mapping[str, str]) -> "Schedule":
        start, end = (datetime.fromisoformat(facts[name]) for name in ("start_time", "end_time"))
        return cls(start, end, facts["location"], facts["timezone"], facts["link"])

    def differences(self, other: "Schedule") -> set[str]:
        """Of `time`, `place` and `link` those that differ; another zone moves nobody's event."""
        times = (self.start_time, self.end_time) != (other.start_time, other.end_time)
        pairs = {
            "time": times,
            "place": self.location != other.location,
            "link": self.link != other.link,
        }
        return {name for name, differs in pairs.items() if differs}
