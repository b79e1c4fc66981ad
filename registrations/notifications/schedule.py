"""The time and place of an event before a change, as its notification stores them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from events.models import Event

# Attendees are notified of a change of these fields of an event.
NOTIFIED_FIELDS = frozenset({"start_time", "end_time", "location", "meeting_url"})


def start_stamp(start: datetime) -> int:
    """Microseconds since 1970. A reminder stores the stamp of the start that it was made for."""
    return (start - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@dataclass(frozen=True)
class Schedule:
    """Time and place. `link` is a digest of the link to join, which not every recipient may see."""

    start_time: datetime
    end_time: datetime
    location: str
    timezone: str
    link: str

    @classmethod
    def of(cls, event: Event, before: Mapping[str, Any]) -> "Schedule":
        """The schedule of an event; `before` has the former values of changed fields."""

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
        """Those of `time`, `place` and `link` that differ. Another zone alone is no difference."""
        times = (self.start_time, self.end_time) != (other.start_time, other.end_time)
        pairs = {
            "time": times,
            "place": self.location != other.location,
            "link": self.link != other.link,
        }
        return {name for name, differs in pairs.items() if differs}
