"""Strict query parameters: a misspelt filter is an error and does not return every row."""

from collections.abc import Iterable

from django.http import QueryDict

from config.errors import FieldError, UnknownParameter, ValidationFailed

from .name_suggestions import MAX_LENGTH, MAX_REPORTED, suggest

KNOWN_EVERYWHERE = frozenset({"format", "timezone"})

# Parameters that mail services and social networks add to links.
_TRACKING = frozenset({"fbclid", "gclid", "mc_cid", "mc_eid"})
_TRACKING_PREFIX = "utm_"

# Names in other APIs for parameters of this one.
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
    parameters: QueryDict,
    known: frozenset[str] = frozenset(),
    *,
    repeatable: frozenset[str] = frozenset(),
    ignores_tracking: bool = False,
) -> None:
    """Raises `UnknownParameter` for names that are neither `known` nor known everywhere.

    Raises `ValidationFailed` for a parameter that is given several times and is not `repeatable`.
    """
    unknown = [name for name in parameters if name not in known and name not in KNOWN_EVERYWHERE]
    if unknown and ignores_tracking:
        unknown = [name for name in unknown if not is_tracking_parameter(name)]
    if unknown:
        known |= KNOWN_EVERYWHERE
        raise UnknownParameter(
            *(unknown_parameter(name, known) for name in sorted(unknown)[:MAX_REPORTED])
        )
    repeated = [
        name
        for name, values in parameters.lists()
        if len(values) > 1
        and name not in repeatable
        and (name in known or name in KNOWN_EVERYWHERE)  # tracking parameters may repeat
    ]
    if repeated:
        raise ValidationFailed(*map(repeated_parameter, repeated))


def is_tracking_parameter(name: str) -> bool:
    return name in _TRACKING or name.startswith(_TRACKING_PREFIX)


def repeated_parameter(name: str) -> FieldError:
    return FieldError(name, "repeated", f"It takes one value; send {name} once.")


def unknown_parameter(name: str, known: Iterable[str]) -> FieldError:
    """The error of one unknown parameter. `known` are the names to suggest."""
    known = sorted(known)
    synonyms = {name: target for name, target in _SYNONYMS.items() if target in known}
    suggestion = suggest(name, known, synonyms)
    known_names = f"Known here are: {', '.join(known)}."
    detail = f"Did you mean {suggestion}? {known_names}" if suggestion else known_names
    if name in _PAGING and "cursor" in known:
        detail = f"{_CURSORS} {known_names}"
    shortened = name if len(name) <= MAX_LENGTH else f"{name[:MAX_LENGTH]}…"
    return FieldError(shortened, "unknown_parameter", detail, suggestion=suggestion)
