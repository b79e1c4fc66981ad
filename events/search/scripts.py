"""Which letters make words, and which scripts do not separate words by spaces.

Python and the functions `search_…` of the database split texts in the same way.
"""

import re
import sys
import unicodedata
from functools import cache
from itertools import groupby

# Thai, Lao, Myanmar, Khmer, Han, kana and Bopomofo, with the marks that belong to their letters.
UNSPACED_LETTERS = (
    r"\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ec6\u0ec8-\u0ece\u0edc-\u0edf"
    r"\u1000-\u103f\u1050-\u108f\u109a-\u109d\ua9e0-\ua9ef\ua9fa-\ua9fe\uaa60-\uaa76\uaa7a-\uaa7f"
    r"\u1780-\u17b3\u17b6-\u17d3\u17d7\u17dc\u17dd"
    r"\u2e80-\u2fd5\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303b\u3041-\u3096\u3099\u309a\u309d-\u309f"
    r"\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    r"\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003fffd"
)
# Half-width kana are folded to the full-width ones.
_HALF_WIDTH = r"\uff66-\uff9f"

UNSPACED_LETTER = re.compile(f"[{UNSPACED_LETTERS}{_HALF_WIDTH}]")


@cache
def words_in_text() -> re.Pattern[str]:
    """Matches each word and each unspaced run.

    A word includes the marks on its letters and the invisible characters between them. A name such
    as C# or .NET includes its signs.
    """
    marks = _marks()
    run = f"(?:[{UNSPACED_LETTERS}{_HALF_WIDTH}][{marks}]*)+"
    letter = rf"(?:(?![{UNSPACED_LETTERS}{_HALF_WIDTH}])[^\W_])"
    return re.compile(rf"{run}|(?:(?<![\w.])\.)?{letter}(?:{letter}|[{marks}])*(?:#|♯|\+\+)?")


@cache
def letters_in_run() -> re.Pattern[str]:
    """Matches each letter with its marks."""
    return re.compile(f"[^{_marks()}][{_marks()}\uff9e\uff9f]*")


def _marks() -> str:
    """Combining marks and invisible characters, as the content of a character class."""
    marks = (
        code
        for code in range(0xAD, sys.maxunicode + 1)
        if unicodedata.category(chr(code)) in {"Mn", "Mc", "Me", "Cf"}
    )
    ranges = []
    for _, group in groupby(enumerate(marks), lambda pair: pair[1] - pair[0]):
        codes = [code for _, code in group]
        ranges.append(f"{chr(codes[0])}-{chr(codes[-1])}")
    return "".join(ranges)
