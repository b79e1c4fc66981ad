"""Names of events for somebody who is still typing."""

from django.db.models import Q

from config.api.keyset import Ordering

from .models import Event
from .narrowing import Narrowing
from .search import NAME, Search, loosened, read_search

MAX_NAMES = 10

# Of several events by one name, as those of a series, one name is told.
_LOOKED_AT = 50


def suggest_names(text: str) -> list[str]:
    """Different names of published upcoming events that have each word, misspelt or not.

    Names that begin as the text does come first, the soonest event's first among equals.
    """
    search = read_search(text)
    if not search.words and not search.phrases:
        return []
    names = _soonest_names(search) or _soonest_names(loosened(search))
    beginning = text.strip().casefold()
    names.sort(key=lambda name: not name.casefold().startswith(beginning))
    return names[:MAX_NAMES]


def _soonest_names(search: Search) -> list[str]:
    narrowing = Narrowing(Event.objects.published().upcoming(), Q(), search)
    ids = narrowing.keys(
        Ordering("start_time"),
        None,
        reverse=False,
        limit=_LOOKED_AT,
        level=NAME,
        enough=2 * MAX_NAMES,
    )
    names = dict(Event.objects.filter(pk__in=[key[-1] for key in ids]).values_list("pk", "name"))
    return list(dict.fromkeys(names[pk] for _, pk in ids if pk in names))
