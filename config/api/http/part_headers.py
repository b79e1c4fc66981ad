"""Headers of the parts of a form."""

from typing import Any

from django.http import multipartparser
from django.utils.http import parse_header_parameters


def skip_unreadable() -> None:
    """Let Django skip every header of a part that cannot be read.

    It skips those that raise a `ValueError`. Python's reader of headers raises a `TypeError` for a
    parameter that comes both with and without a number, as in `x*=a; x*0=b`.
    """
    parser: Any = multipartparser
    parser.parse_header_parameters = _parsed


def _parsed(line: str) -> Any:
    try:
        return parse_header_parameters(line)
    except TypeError as error:
        raise ValueError("a parameter with and without a number") from error
