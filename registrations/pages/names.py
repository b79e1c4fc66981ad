"""The names of those who have a seat, which everybody reads if the event has such a list."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from config.api.pagination.keyset import Ordering, Page, read_cursor
from config.api.text.folding import alphabetical
from events.models import AttendeeList, Event

from ..models import Registration

NAMES_ON_EVENT_PAGE = 30
NAMES_ON_PAGE = 100
_LIST = "names of an event"
_ALPHABETICAL = Ordering("name_key", expression=alphabetical("name"))


@dataclass(frozen=True)
class Names:
    """`earlier` and `later` are the query strings of the pages beside this one."""

    names: list[str]
    earlier: str | None = None
    later: str | None = None


def has_names(event: Event) -> bool:
    """Whether everybody may read names of people at the event."""
    return event.attendee_list == AttendeeList.NAMES


def first_names(event: Event) -> Names:
    """The first names of the alphabet, without a query for an event that hides all of them."""
    if not has_names(event):
        return Names([])
    return _read(event, Page("?", _LIST, "name", _ALPHABETICAL, NAMES_ON_EVENT_PAGE))


def read_names(event: Event, url: str, cursor: str | None) -> Names:
    """One page of all names. Raises `InvalidCursor`."""
    position = read_cursor(cursor, _LIST, "name")
    return _read(event, Page(url, _LIST, "name", _ALPHABETICAL, NAMES_ON_PAGE, position))


def _read(event: Event, page: Page) -> Names:
    people = Registration.objects.filter(event=event).with_public_names().only("name")
    rows, links = page.cut(list(page.query(people, page.position)), _ALPHABETICAL.position_of)
    return Names([each.name for each in rows], _query(links["previous"]), _query(links["next"]))


def _query(link: str | None) -> str | None:
    """Without scheme and host, so that it works behind every proxy."""
    return link and f"?{urlsplit(link).query}"
