"""Guards against formulas in CSV files, and their removal when such a file is imported.

A spreadsheet runs a cell that begins with = + - @ as a formula, also after a tab and in full-width
characters. A guarded cell begins with an apostrophe. Phone numbers and negative numbers begin with
+ or - too; they are harmless and stay as they are. Text that already looks guarded gets another
apostrophe, so that `unguarded_text` restores every text exactly.
"""

import re

_FORMULA = r"'*[=@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]"
_SIGNED = r"'*[+-]"
_PHONE, _NEGATIVE = r"\+[0-9][0-9 ()./-]*", r"-[0-9]+([.,][0-9]+)?"
_HARMLESS = rf"'*({_PHONE}|{_NEGATIVE})"
# The first characters of a formula or a signed text. Most texts are ruled out by this check alone.
_SUSPECTS = ", ".join(str(ord(character)) for character in "'=@\t\r\n\uff1d\uff0b\uff0d\uff20+-")

# A spreadsheet that separates cells by semicolons or tabs may split one text into several cells. It
# splits a quoted cell too, unless the quote begins the line: inside an unquoted cell quotes are
# plain text.
_FORMULA_IN_NEXT_CELL = r"""([;\t])(?=[ "']*[=+@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20-])"""
# A lookahead takes PostgreSQL longer, also where there is no such cell.
_HAS_FORMULA_IN_NEXT_CELL = _FORMULA_IN_NEXT_CELL.replace("(?=", "").removesuffix(")")
_GUARD_IN_NEXT_CELL = _FORMULA_IN_NEXT_CELL.replace("(?=", "'(?=")


def guarded_sql(sql: str) -> str:
    """An SQL expression for the text of `sql` with every cell in it guarded."""

    def matches(pattern: str) -> str:
        return f"{sql} ~ {_literal(pattern)}"

    # A regular expression takes as long as all other checks. One is enough for a phone number.
    runs = f"""ascii({sql}) IN ({_SUSPECTS}) AND CASE ascii({sql})
        WHEN {ord("+")} THEN NOT {matches(f"^{_PHONE}$")}
        WHEN {ord("-")} THEN NOT {matches(f"^{_NEGATIVE}$")}
        WHEN {ord("'")} THEN {matches(f"^{_FORMULA}")}
            OR ({matches(f"^{_SIGNED}")} AND NOT {matches(f"^{_HARMLESS}$")})
        ELSE true END"""
    separated = f"(strpos({sql}, ';') > 0 OR strpos({sql}, chr(9)) > 0)"
    has_cells = f"{separated} AND {matches(_HAS_FORMULA_IN_NEXT_CELL)}"
    cells = f"regexp_replace({sql}, {_literal(_FORMULA_IN_NEXT_CELL)}, '\\1''', 'g')"
    inner = f"CASE WHEN {has_cells} THEN {cells} ELSE {sql} END"
    return f"CASE WHEN {runs} THEN '''' || {inner} ELSE {inner} END"


def _literal(text: str) -> str:
    escaped = text.replace("'", "''")
    return f"'{escaped}'"


def guarded_text(text: str) -> str:
    """The value of `guarded_sql`, computed in Python."""
    inner = re.sub(_FORMULA_IN_NEXT_CELL, r"\1'", text)
    return f"'{inner}" if _needs_guard(text) else inner


def unguarded_text(cell: str) -> str:
    """The text from which the guarded `cell` was made."""
    text = re.sub(_GUARD_IN_NEXT_CELL, r"\1", cell)
    return text[1:] if text.startswith("'") and _needs_guard(text[1:]) else text


def _needs_guard(text: str) -> bool:
    """Whether the beginning of this text is guarded."""
    if re.match(_FORMULA, text):
        return True
    return bool(re.match(_SIGNED, text)) and not re.fullmatch(_HARMLESS, text)
