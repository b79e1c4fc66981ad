"""Decoding of text files in the encodings that spreadsheets and calendars write."""

import codecs
import re

from .csv_rows import ImportRefused

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is a prefix of it
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# The key of the environ for a Content-Type with parameters; `config.wsgi` hides them from Django.
DECLARED_TYPE = "events.declared_content_type"
# Charsets that a client may declare. Some of Python's other codecs are not text, or not safe.
_CHARSETS = re.compile(
    "ascii|utf-8|utf-8-sig|utf-16|utf-16-[lb]e|utf-32|utf-32-[lb]e"
    r"|iso8859-\d+|cp(125\d|437|85\d|866|874|932|949|950)|koi8-[ru]|mac-roman"
    "|gb2312|gbk|gb18030|big5|shift_jis|euc_jp|euc_kr|iso2022_jp|tis-620"
)


def decode_text(content: bytes, charset: str | None = None) -> str:
    """The text of a file. Its encoding is that of a byte order mark, else `charset`, else UTF-8.

    Raises `ImportRefused`, which names the line of the first invalid byte.
    """
    mark, encoding = next((pair for pair in _MARKS if content.startswith(pair[0])), (b"", ""))
    content = content[len(mark) :]
    encoding = encoding or charset_named(charset or "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding == "cp1252":
            return content.decode("latin-1")
        raise not_in_charset(content.count(b"\n", 0, error.start) + 1, encoding) from error


def charset_named(name: str) -> str:
    """The codec of a charset. Raises `ImportRefused`."""
    try:
        codec = codecs.lookup(name.strip()).name
    except (LookupError, ValueError) as error:
        raise _unknown_charset(name) from error
    if not _CHARSETS.fullmatch(codec):
        raise _unknown_charset(name)
    # As in browsers: text that is declared as Latin-1 is decoded as Windows-1252.
    return "cp1252" if codec == "iso8859-1" else codec


def not_in_charset(line: int, encoding: str) -> ImportRefused:
    name = encoding.upper()
    return ImportRefused(
        f"Line {line} is not {name}. Save the file as UTF-8 (in a spreadsheet: "
        '"CSV UTF-8"), or name its charset, as in Content-Type: text/csv; charset=windows-1252.'
    )


def _unknown_charset(name: str) -> ImportRefused:
    return ImportRefused(
        f"The charset {name[:40]!r} is not known. Save the file as UTF-8, or declare a charset "
        "such as utf-8, utf-16 or windows-1252."
    )
