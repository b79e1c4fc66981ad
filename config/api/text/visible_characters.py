"""Visible characters.

A name of invisible characters alone is an empty line in every list, mail and calendar.
"""

import re

from django.core.exceptions import ValidationError

# White space, controls, and the default-ignorable code points of Unicode (DerivedCoreProperties,
# Default_Ignorable_Code_Point): zero width, soft hyphen, Hangul fillers, variation selectors,
# bidirectional controls. The blank of Braille (U+2800) is a symbol without ink. This is the
# content of a character class, with the same meaning in Python and in JavaScript.
INVISIBLE = (
    r"\x00-\x20\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f"
    r"\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0"
    r"\ufff0-\ufffb"
)
# Those beyond the Basic Multilingual Plane: shorthand and music controls, tags. JavaScript supports
# them in a pattern with the flag `u` alone, so the OpenAPI document leaves them out.
_BEYOND_BMP = r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
_VISIBLE = re.compile(f"[^{INVISIBLE}{_BEYOND_BMP}]")


def is_visible(text: str) -> bool:
    """Whether at least one character of the text is visible.

    >>> is_visible("\\u200bZoë"), is_visible("\\u3164\\u2800"), is_visible("")
    (True, False, False)
    """
    # Most texts begin with a letter, which costs less than a search.
    return "!" <= text[:1] <= "~" or _VISIBLE.search(text) is not None


def validate_visible(text: str) -> None:
    """A validator of model and form fields: raises `ValidationError` with the code `blank`."""
    if not is_visible(text):
        raise ValidationError("Use at least one visible character.", code="blank")
