"""The limits of options: taken with a place, and given back with it.

A party takes an option once for each answer that chooses it. Confirmed and waitlisted registrations
count. Callers hold the lock of the event, so the rows are written in a fixed order after it.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from django.db import connection
from django.db.models import F

from events.models import Event, Form

from ..errors import LimitBelowTaken, OptionFull
from ..forms.questions import Questions, questions_of, taken_options
from ..models import OptionLimit, Registration

Option = tuple[str, str]
"""The key of a question and the value of its option."""

_TAKE = """
    INSERT INTO registrations_optionlimit AS option (event_id, key, value, "limit", taken)
    SELECT %(event_id)s, key, value, "limit", taken FROM unnest(
        %(keys)s::text[], %(values)s::text[], %(limits)s::int[], %(taken)s::int[]
    ) AS chosen (key, value, "limit", taken)
    ORDER BY key, value
    ON CONFLICT (event_id, key, value) DO UPDATE SET taken = option.taken + EXCLUDED.taken
"""

# An array contains a value that is one of its items, and a value contains itself.
_COUNT = """
    SELECT wanted.key, wanted.value, count(*)
    FROM registrations_registration AS registration
    CROSS JOIN LATERAL (
        SELECT registration.answers
        UNION ALL
        SELECT guest -> 'answers' FROM jsonb_array_elements(registration.guests) AS guest
    ) AS person (answers)
    JOIN unnest(%(keys)s::text[], %(values)s::text[]) AS wanted (key, value)
        ON person.answers -> wanted.key @> to_jsonb(wanted.value)
    WHERE registration.event_id = %(event_id)s
        AND registration.status IN ('confirmed', 'waitlisted')
    GROUP BY wanted.key, wanted.value
"""


def taken_by_option(event_id: int) -> dict[Option, int]:
    rows = OptionLimit.objects.filter(event=event_id).values_list("key", "value", "taken")
    return {(key, value): taken for key, value, taken in rows}


def left_by_option(event_id: int, questions: Questions) -> dict[Option, int]:
    """How often each option with a limit can still be chosen."""
    taken = taken_by_option(event_id) if questions.limits else {}
    return {option: limit - taken.get(option, 0) for option, limit in questions.limits.items()}


def first_full_option(left: Mapping[Option, int], chosen: Collection[Option]) -> Option | None:
    """The first option of which less is left than is chosen."""
    wanted = Counter(chosen)
    return next((each for each in left if wanted[each] > left[each]), None)


def check_options_free(event_id: int, questions: Questions, chosen: Collection[Option]) -> None:
    """Raises `OptionFull`."""
    if not chosen:
        return
    full = first_full_option(left_by_option(event_id, questions), chosen)
    if full is not None:
        key, value = full
        raise OptionFull(
            f"The option {value} of the question {key} is full; choose another one.",
            key=key,
            value=value,
        )


def take_options(event_id: int, questions: Questions, chosen: Collection[Option]) -> None:
    """Caller holds the event lock and has called `check_options_free`."""
    if not chosen:
        return
    counts, limits = Counter(chosen), questions.limits
    options = sorted(counts)
    parameters: dict[str, Any] = {
        "event_id": event_id,
        "keys": [key for key, _ in options],
        "values": [value for _, value in options],
        "limits": [limits[option] for option in options],
        "taken": [counts[option] for option in options],
    }
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, parameters)


def give_options_back(event_id: int, chosen: Collection[Option]) -> None:
    """Caller holds the event lock."""
    for (key, value), count in sorted(Counter(chosen).items()):
        OptionLimit.objects.filter(event=event_id, key=key, value=value).update(
            taken=F("taken") - count
        )


def free_options(event: Event, registration: Registration) -> None:
    """Gives back what a registration that ends has taken. Caller holds the event lock."""
    if event.form_id is not None and registration.takes_options:
        questions = questions_of(event.form)
        chosen = taken_options(questions, registration.answers, registration.guests)
        give_options_back(event.pk, chosen)


def exchange_options(
    event: Event,
    registration: Registration,
    before: tuple[dict[str, Any], list[dict[str, Any]]],
) -> None:
    """Takes and gives back what differs from the answers and guests before.

    Caller holds the event lock. Raises `OptionFull`.
    """
    if event.form_id is None or not registration.takes_options:
        return
    after = registration.answers, registration.guests
    questions = questions_of(event.form)
    old, new = (Counter(taken_options(questions, *state)) for state in (before, after))
    taken = sorted((new - old).elements())
    check_options_free(event.pk, questions, taken)
    give_options_back(event.pk, sorted((old - new).elements()))
    take_options(event.pk, questions, taken)


def set_limits(event_id: int, form: Form | None) -> None:
    """Makes the limits of an event those of its new form. Caller holds the event lock.

    An option that gets a limit counts the answers that there are. Raises `LimitBelowTaken`.
    """
    limits = questions_of(form).limits
    rows = {(row.key, row.value): row for row in OptionLimit.objects.filter(event=event_id)}
    new = [option for option in limits if option not in rows]
    taken = {**{option: row.taken for option, row in rows.items()}, **count_options(event_id, new)}
    for option, limit in limits.items():
        _check_limit(option, limit, taken.get(option, 0))
    for option, row in rows.items():
        if option not in limits:
            row.delete()
        elif row.limit != limits[option]:
            row.limit = limits[option]
            row.save(update_fields=["limit"])
    OptionLimit.objects.bulk_create(
        OptionLimit(event_id=event_id, key=key, value=value, limit=limits[key, value], taken=count)
        for (key, value), count in taken.items()
        if (key, value) in new
    )


def count_options(event_id: int, options: Collection[Option]) -> dict[Option, int]:
    """How often each option is chosen, counted in the answers; without those that nobody chose."""
    if not options:
        return {}
    parameters: dict[str, Any] = {
        "event_id": event_id,
        "keys": [key for key, _ in options],
        "values": [value for _, value in options],
    }
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, parameters)
        return {(key, value): count for key, value, count in cursor.fetchall()}


def _check_limit(option: Option, limit: int, taken: int) -> None:
    if limit < taken:
        key, value = option
        raise LimitBelowTaken(
            f"The option {value} of the question {key} is chosen {taken} times; "
            f"choose a limit of at least {taken}.",
            key=key,
            value=value,
            minimum=taken,
        )
