"""The rules for an answer to one question, by its type."""

import math
import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from config.api.text.email_addresses import TOO_LONG, InvalidAddress, canonical_address
from config.api.text.visible_characters import is_visible

from .countries import COUNTRIES
from .questions import Question, Type

MAX_TEXT = 500
MAX_PARAGRAPH = 5_000
MAX_URL = 500
# Larger whole numbers lose digits in JavaScript.
MAX_NUMBER = 10**15

PHONE = r"^\+?[0-9(](?:[0-9() ./-]{0,28}[0-9)])$"
URL = r"^https?://[^\s\x00-\x1f\x7f]+$"
DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_CONTROL_IN_PARAGRAPH = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
)


class InvalidAnswer(ValueError):
    """An answer that its question does not accept. `code` is that of a field's error."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def read_answer(question: Question, value: Any) -> Any:
    """The answer as it is stored; None if it is empty. Raises `InvalidAnswer`.

    That of a consent is true: `answers` adds the version and the time.
    """
    if value is None or value == "":
        return None
    return _READERS[question.type](question, value)


def _text(question: Question, value: Any) -> str | None:
    text = _string(value).strip()
    if _CONTROL.search(text):
        raise InvalidAnswer("invalid", "Use no line breaks or control characters.")
    return _of_length(text, MAX_TEXT)


def _paragraph(question: Question, value: Any) -> str | None:
    text = _string(value).replace("\r\n", "\n").replace("\r", "\n").strip()
    if _CONTROL_IN_PARAGRAPH.search(text):
        raise InvalidAnswer("invalid", "Use no control characters.")
    return _of_length(text, MAX_PARAGRAPH)


def _of_length(text: str, length: int) -> str | None:
    if len(text) > length:
        raise InvalidAnswer("max_length", f"Write at most {length:,} characters.")
    return text if is_visible(text) else None


def _number(question: Question, value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidAnswer("invalid", "Send a number.")
    least = -MAX_NUMBER if question.min is None else question.min
    most = MAX_NUMBER if question.max is None else question.max
    if value < least:
        raise InvalidAnswer("min_value", f"Send a number of at least {least:g}.")
    if value > most:
        raise InvalidAnswer("max_value", f"Send a number of at most {most:g}.")
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _boolean(question: Question, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidAnswer("invalid", "Send true or false.")
    return value


def _consent(question: Question, value: Any) -> bool | None:
    """None for false: nothing is agreed to."""
    if isinstance(value, Mapping) and value.keys() <= {"agreed", "version", "at"}:
        value = value.get("agreed")  # as in a response
    if not isinstance(value, bool):
        raise InvalidAnswer("invalid", "Send true to agree.")
    return True if value else None


def _choice(question: Question, value: Any) -> str:
    if not isinstance(value, str) or value not in {each.value for each in question.options}:
        options = ", ".join(each.value for each in question.options)
        raise InvalidAnswer("invalid_choice", f"Choose one of: {options}.")
    return value


def _choices(question: Question, value: Any) -> list[str] | None:
    """The options in the order of the form, each once."""
    if not isinstance(value, list):
        raise InvalidAnswer("invalid", "Send an array of options.")
    chosen = {_choice(question, each) for each in value}
    return [each.value for each in question.options if each.value in chosen] or None


def _day(question: Question, value: Any) -> str:
    try:
        if re.match(DAY, _string(value)):
            return date.fromisoformat(value).isoformat()
    except ValueError:
        pass  # not a day of the calendar
    raise InvalidAnswer("invalid", "Send a day such as 2027-03-15.")


def _email(question: Question, value: Any) -> str:
    try:
        return canonical_address(_string(value))
    except InvalidAddress as error:
        code = "max_length" if str(error) == TOO_LONG else "invalid"
        raise InvalidAnswer(code, str(error)) from error


def _phone(question: Question, value: Any) -> str:
    text = _string(value).strip()
    if not re.match(PHONE, text) or not 5 <= sum(map(str.isdigit, text)) <= 15:
        raise InvalidAnswer("invalid", "Send a phone number such as +49 30 123456.")
    return text


def _url(question: Question, value: Any) -> str:
    text = _string(value).strip()
    if len(text) > MAX_URL:
        raise InvalidAnswer("max_length", f"Write at most {MAX_URL} characters.")
    try:
        is_address = re.match(URL, text, re.IGNORECASE) and bool(urlsplit(text).hostname)
    except ValueError:  # such as a bracket without its pair
        is_address = False
    if not is_address or not text.isprintable():
        raise InvalidAnswer("invalid", "Send an address that begins with https:// or http://.")
    return text


def _country(question: Question, value: Any) -> str:
    code = _string(value).strip().upper()
    if code not in COUNTRIES:
        raise InvalidAnswer("invalid_choice", "Send the code of a country, such as DE or IN.")
    return code


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidAnswer("invalid", "Send a string.")
    return value


_READERS: dict[Type, Callable[[Question, Any], Any]] = {
    Type.TEXT: _text,
    Type.PARAGRAPH: _paragraph,
    Type.NUMBER: _number,
    Type.BOOLEAN: _boolean,
    Type.CONSENT: _consent,
    Type.CHOICE: _choice,
    Type.CHOICES: _choices,
    Type.DATE: _day,
    Type.EMAIL: _email,
    Type.PHONE: _phone,
    Type.URL: _url,
    Type.COUNTRY: _country,
}
