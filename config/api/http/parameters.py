"""Query parameters are strict: a misspelt filter must not quietly return everything."""

from collections.abc import Iterable

from django.http import QueryDict

from config.errors import FieldError, UnknownParameter, ValidationFailed

from .name_suggestions import MAX_LENGTH, MAX_REPORTED, suggest

KNOWN_EVERYWHERE = frozenset({"format", "timezone"})

# What links pick up on their way through mails and social networks.
_TRACKING = frozenset({"fbclid", "gclid", "mc_cid", "mc_eid"})
_TRACKING_PREFIX = "utm_"

# Names that other APIs have for what this one has.
_SYNONYMS = {
    "q": "search",
    "query": "search",
    "sort": "ordering",
    "sort_by": "ordering",
    "order": "ordering",
    "order_by": "ordering",
    "tz": "timezone",
    "time_zone": "timezone",
    "per_page": "page_size",
    "size": "page_size",
    "limit": "page_size",
    "offset": "cursor",
    "page": "cursor",
    "skip": "cursor",
    "from": "start_after",
    "since": "start_after",
    "until": "start_before",
    "to": "start_before",
    "dryrun": "dry_run",
}
_PAGING = {"page", "offset", "skip", "limit", "per_page", "size"}
_CURSORS = (
    "Pages have no numbers: follow the links next and previous, which carry a cursor, "
    "and set the rows of a page by page_size."
)


def check_parameters(
    given: QueryDict,
    known: frozenset[str] = frozenset(),
    *,
    repeatable: frozenset[str] = frozenset(),
    ignores_tracking: bool = False,
) -> None:
    """Raises `UnknownParameter` for names that are neither `known` nor known everywhere.

    Raises `ValidationFailed` for a parameter that is given several times and is not `repeatable`.
    """
    unknown = [name for name in given if name not in known and name not in KNOWN_EVERYWHERE]
    if unknown and ignores_tracking:
        unknown = [name for name in unknown if not is_tracking_parameter(name)]
    if unknown:
        known |= KNOWN_EVERYWHERE
        raise UnknownParameter(*(_unknown(name, known) for name in sorted(unknown)[:MAX_REPORTED]))
    repeated = [
        name
        for name, values in given.lists()
        if len(values) > 1
        and name not in repeatable
        and (name in known or name in KNOWN_EVERYWHERE)  # and not for tracking
    ]
    if repeated:
        raise ValidationFailed(*map(repeated_parameter, repeated))


def is_tracking_parameter(name: str) -> bool:
    return name in _TRACKING or name.startswith(_TRACKING_PREFIX)


def repeated_parameter(name: str) -> FieldError:
    return FieldError(name, "repeated", f"It takes one value; send {name} once.")


def _unknown(name: str, known: Iterable[str]) -> FieldError:
    known = sorted(known)
    synonyms = {other: meant for other, meant in _SYNONYMS.items() if meant in known}
    meant = suggest(name, known, synonyms)
    listed = f"Known here are: {', '.join(known)}."
    detail = f"Did you mean {meant}? {listed}" if meant else listed
    if name in _PAGING and "cursor" in known:
        detail = f"{_CURSORS} {listed}"
    shown = name if len(name) <= MAX_LENGTH else f"{name[:MAX_LENGTH]}…"
    return FieldError(shown, "unknown_parameter", detail, suggestion=meant)
