"""The API's sentences about errors, which are for programs, as people read them."""

import re

from config.api.pages import sentences
from config.errors import DomainError, FieldError, ValidationFailed

from ..errors import CodeRequired

_MISSING = {
    "name": "Enter your name.",
    "email": "Enter your e-mail address.",
    "party_size": "Enter the number of people.",
}
_SENTENCES = {
    "Agree by true; registering needs it.": "Agree to go on.",
    "Answer by true or false.": "Choose yes or no.",
    "Send true to agree.": "Agree to go on.",
    "Send true or false.": "Choose yes or no.",
    "Send the code of a country, such as DE or IN.": "Choose a country.",
}
_PATTERNS = [
    (re.compile(r"Ensure this value is greater than or equal to (\S+)\."), r"Enter \1 or more."),
    (re.compile(r"Ensure this value is less than or equal to (\S+)\."), r"Enter \1 or less."),
    (
        re.compile(r"Ensure this field has no more than (\d+) characters\."),
        r"Enter at most \1 characters.",
    ),
    (re.compile(r"Send (an?|the) (.*)"), r"Enter \1 \2"),
]


def plain_sentences(refusal: DomainError) -> list[str]:
    """The sentences of an error, for a person."""
    if isinstance(refusal, ValidationFailed):
        return [plain_sentence(error) for error in refusal.field_errors]
    if isinstance(refusal, CodeRequired):
        return ["Enter the code of your invitation. The organizer gives one to those who may come."]
    return sentences(refusal)


def plain_sentence(error: FieldError) -> str:
    """The sentence of a field's error, for a person."""
    if error.code in {"required", "blank", "null"} and error.field in _MISSING:
        return _MISSING[error.field]
    if error.detail in _SENTENCES:
        return _SENTENCES[error.detail]
    for pattern, plain in _PATTERNS:
        if match := pattern.fullmatch(error.detail):
            return match.expand(plain)
    return error.detail
