"""Suggestions: names of events for completion while typing.

Words may be common and rarely occur together. An index of words then has many events to compare,
and a walk along the index of time passes many events. So names are searched week by week, the
soonest first, until there are enough. The index of this search has each word behind the week of its
event.

Of 32 texts with 200,000 events, the median takes 5 ms a request. Walking 2,000 events and then
gathering takes 15 ms (docs/decisions/search.md).
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from config.api.sql.replica import reading_connection
from config.api.text.folding import fold_texts

from .parsing import read_search
from .query import NAME, Search
from .spelling import relax

MAX_NAMES = 10

# Several events may have the same name, as those of a series, which is suggested once.
_MAX_EVENTS = 50
_MIN_EVENTS = 2 * MAX_NAMES

# Up to this many matches are gathered at once.
MAX_GATHERED = 300

# The most common words have enough matches among this many next events.
SOONEST_EVENTS = 300

# Two years. Later matches are gathered at once. A prefix in many names makes a week slower, so
# with several such prefixes proportionally fewer weeks are searched, and no later events.
MAX_WEEKS = 105

_AMONG_THE_SOONEST = """
    SELECT start_time, id, name FROM (
        SELECT start_time, id, name, search_vector FROM events_event
        WHERE status = 'published' AND deleted_at IS NULL AND start_time > %(begin)s
            AND visibility = 'public'
        ORDER BY start_time, id LIMIT %(soonest)s
    ) AS soonest
    WHERE search_vector @@ %(query)s::tsquery
    ORDER BY start_time, id LIMIT %(limit)s
"""

# No week is read after the limit is reached. Materialized: for the limit's sake the planner would
# walk along the order of time. The exact query is outside: the planner would use its index as well.
_WEEK_BY_WEEK = """
    SELECT event.* FROM unnest(%(weeks)s::text[]) AS week, LATERAL (
        WITH matching AS MATERIALIZED (
            SELECT start_time, id, name, search_vector FROM events_event
            WHERE search_names_by_week(search_vector, start_time)
                    @@ replace(%(keys)s, '~', week)::tsquery
                AND status = 'published' AND deleted_at IS NULL AND start_time > %(begin)s
                AND visibility = 'public'
        )
        SELECT start_time, id, name FROM matching
        WHERE search_vector @@ %(query)s::tsquery
        ORDER BY start_time, id LIMIT %(limit)s
    ) AS event
    LIMIT %(limit)s
"""

_AT_ONCE = """
    WITH matching AS MATERIALIZED (
        SELECT start_time, id, name, search_vector FROM events_event
        WHERE ts_filter(search_vector, '{a}') @@ replace(%(keys)s, '~', '')::tsquery
            AND status = 'published' AND deleted_at IS NULL AND start_time > %(begin)s
            AND visibility = 'public'
    )
    SELECT start_time, id, name FROM matching
    WHERE search_vector @@ %(query)s::tsquery
    ORDER BY start_time, id LIMIT %(limit)s
"""


def suggest_names(text: str) -> list[str]:
    """At most `MAX_NAMES` different names of public upcoming events that have every word.

    Names that begin with the text come first. Within both groups the soonest event comes first.
    Misspelt words are corrected if nothing matches.
    """
    search = read_search(text)
    if not search.words and not search.phrases:
        return []
    names = _soonest_names(search)
    if not names:
        relaxed = relax(search)
        names = _soonest_names(relaxed) if relaxed.corrections else []
    folded = fold_texts([text.strip(), *names])
    prefix = folded[text.strip()]
    names.sort(key=lambda name: not folded[name].startswith(prefix))
    return names[:MAX_NAMES]


def _soonest_names(search: Search) -> list[str]:
    now = timezone.now()
    parameters = {
        "query": search.name_query(),
        "keys": search.name_keys("~"),
        "begin": now,
        "limit": _MAX_EVENTS,
    }
    if search.estimate(NAME) <= MAX_GATHERED:
        return _distinct(_names(_AT_ONCE, parameters))
    names = _names(_AMONG_THE_SOONEST, {**parameters, "soonest": SOONEST_EVENTS})
    if len(names) >= _MIN_EVENTS:
        return _distinct(names)
    common_prefixes = sum(word.is_in_many_names for word in search.words)
    mondays = _mondays(now, MAX_WEEKS // max(common_prefixes, 1))
    weeks = ["{}{:02}".format(*monday.isocalendar()) for monday in mondays]
    names = _names(_WEEK_BY_WEEK, {**parameters, "weeks": weeks})
    if len(names) < _MIN_EVENTS and common_prefixes <= 1:
        later = mondays[-1] + timedelta(weeks=1, microseconds=-1)
        names += _names(_AT_ONCE, {**parameters, "begin": later})
    return _distinct(names)


def _mondays(now: datetime, number: int) -> list[datetime]:
    """The first instants of this week and of the following ones, in UTC."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    monday = midnight - timedelta(days=midnight.weekday())
    return [monday + timedelta(weeks=week) for week in range(number)]


def _names(sql: str, parameters: dict[str, Any]) -> list[str]:
    with reading_connection().cursor() as cursor:
        cursor.execute(sql, parameters)
        return [name for _, _, name in cursor.fetchall()]


def _distinct(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))
