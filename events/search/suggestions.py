"""Names of events for somebody who is still typing.

Of words that are common each, and rarely together, an index of words has many events to compare,
and an index of time many to walk past. So names are looked for week by week, the soonest first, in
an index whose words stand behind the week of their event, until there are enough.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from config.api.sql.replica import reading_connection
from config.api.text.folding import fold_texts

from .query import NAME, Search, loosened, read_search

MAX_NAMES = 10

# Of several events by one name, as those of a series, one name is told.
_LOOKED_AT = 50
_ENOUGH = 2 * MAX_NAMES

# Rare words have so few events that all are collected at once.
RARE = 300

# Among the very next events are enough with the most common words.
SOONEST = 300

# Two years; what is later is collected at once. Each beginning that is as common as a letter makes
# a week cost more, so several are looked for in as many times fewer weeks, and not beyond.
WEEKS = 105

_AMONG_THE_SOONEST = """
    SELECT start_time, id, name FROM (
        SELECT start_time, id, name, search_vector FROM events_event
        WHERE status = 'published' AND deleted_at IS NULL AND start_time > %(begin)s
        ORDER BY start_time, id LIMIT %(soonest)s
    ) AS soonest
    WHERE search_vector @@ %(query)s::tsquery
    ORDER BY start_time, id LIMIT %(limit)s
"""

# Week after week, and none after the limit is reached. Materialized, or the planner would walk
# along the order of time for the limit's sake; the exact query outside, or it would take its index
# too.
_WEEK_BY_WEEK = """
    SELECT found.* FROM unnest(%(weeks)s::text[]) AS week, LATERAL (
        WITH matching AS MATERIALIZED (
            SELECT start_time, id, name, search_vector FROM events_event
            WHERE search_names_by_week(search_vector, start_time)
                    @@ replace(%(keys)s, '~', week)::tsquery
                AND status = 'published' AND deleted_at IS NULL AND start_time > %(begin)s
        )
        SELECT start_time, id, name FROM matching
        WHERE search_vector @@ %(query)s::tsquery
        ORDER BY start_time, id LIMIT %(limit)s
    ) AS found
    LIMIT %(limit)s
"""

_AT_ONCE = """
    WITH matching AS MATERIALIZED (
        SELECT start_time, id, name, search_vector FROM events_event
        WHERE ts_filter(search_vector, '{a}') @@ replace(%(keys)s, '~', '')::tsquery
            AND status = 'published' AND deleted_at IS NULL AND start_time > %(begin)s
    )
    SELECT start_time, id, name FROM matching
    WHERE search_vector @@ %(query)s::tsquery
    ORDER BY start_time, id LIMIT %(limit)s
"""


def suggest_names(text: str) -> list[str]:
    """Different names of published upcoming events that have each word, misspelt or not.

    Names that begin as the text does come first, the soonest event's first among equals.
    """
    search = read_search(text)
    if not search.words and not search.phrases:
        return []
    names = _soonest_names(search)
    if not names:
        other = loosened(search)
        names = _soonest_names(other) if other.corrections else []
    folded = fold_texts([text.strip(), *names])
    beginning = folded[text.strip()]
    names.sort(key=lambda name: not folded[name].startswith(beginning))
    return names[:MAX_NAMES]


def _soonest_names(search: Search) -> list[str]:
    now = timezone.now()
    facts = {
        "query": search.name_query(),
        "keys": search.name_keys("~"),
        "begin": now,
        "limit": _LOOKED_AT,
    }
    if search.estimate(NAME) <= RARE:
        return _different(_run(_AT_ONCE, facts))
    found = _run(_AMONG_THE_SOONEST, {**facts, "soonest": SOONEST})
    if len(found) >= _ENOUGH:
        return _different(found)
    letters = sum(word.begins_everywhere for word in search.words)
    mondays = _mondays(now, WEEKS // max(letters, 1))
    weeks = ["{}{:02}".format(*monday.isocalendar()) for monday in mondays]
    found = _run(_WEEK_BY_WEEK, {**facts, "weeks": weeks})
    if len(found) < _ENOUGH and letters <= 1:
        later = mondays[-1] + timedelta(weeks=1, microseconds=-1)
        found += _run(_AT_ONCE, {**facts, "begin": later})
    return _different(found)


def _mondays(now: datetime, number: int) -> list[datetime]:
    """When this week and those after it begin, in UTC."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    monday = midnight - timedelta(days=midnight.weekday())
    return [monday + timedelta(weeks=week) for week in range(number)]


def _run(sql: str, facts: dict[str, Any]) -> list[str]:
    with reading_connection().cursor() as cursor:
        cursor.execute(sql, facts)
        return [name for _, _, name in cursor.fetchall()]


def _different(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))
