"""Suggestions of a known name for an unknown one."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from ..bounded_cache import bounded_cache

MAX_LENGTH = 64  # of a name in an error, in characters
MAX_REPORTED = 20  # unknown names of one request
_SIMILAR = 0.7


def suggest(
    name: str, known: Iterable[str], synonyms: Mapping[str, str] | None = None
) -> str | None:
    """The known name that is most similar to an unknown one, or None.

    The unknown name may have another style (`maxCapacity`) or order of words (`capacity_max`), be a
    synonym, or contain a typing error.

    >>> suggest("capacity_max", ["location", "max_capacity"])
    'max_capacity'
    >>> suggest("venu", ["location", "max_capacity"], {"venue": "location"})
    'location'
    """
    names = {**(synonyms or {}), **{each: each for each in known}}
    return _suggest(name, tuple(sorted(names.items())))


@bounded_cache(512)
def _suggest(name: str, names: tuple[tuple[str, str], ...]) -> str | None:
    if not name or len(name) > MAX_LENGTH:
        return None
    targets, plain = dict(names), _in_snake_case(name)
    words = sorted(plain.split("_"))
    for candidate, target in targets.items():
        if plain == candidate or words == sorted(candidate.split("_")):
            return target
    close = get_close_matches(plain, targets, n=1, cutoff=_SIMILAR)
    return targets[close[0]] if close else None


def _in_snake_case(name: str) -> str:
    separate = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[^0-9a-z]+", "_", separate.lower()).strip("_")
