"""Errors of single fields and query parameters."""

from dataclasses import dataclass
from typing import Any

from .base import DomainError

# The codes of a field's error, with their meanings. The list is closed.
FIELD_CODES = {
    "required": "The field is missing.",
    "blank": "The text is empty.",
    "null": "The value may not be null.",
    "invalid": "The value has the wrong type or form.",
    "invalid_choice": "The value is none of those allowed.",
    "max_length": "The text is too long.",
    "min_length": "The text or list is too short.",
    "min_value": "The number or time is too small.",
    "max_value": "The number or time is too large.",
    "unique": "Another row has this value already.",
    "in_the_past": "The time is over; choose one in the future.",
    "before_start": "The end is not after the start.",
    "before_opening": "Registration would close before it opens.",
    "after_start": "Registration would open after the event has started.",
    "nonexistent_time": "The clocks skip this wall-clock time in the event's zone.",
    "unknown_timezone": "Not a zone of the IANA database, such as Europe/Berlin.",
    "unknown_category": "No category has this slug.",
    "invalid_recurrence": "Not a rule of RFC 5545, or one that runs away or gives nothing.",
    "unknown_field": "The route does not know this field of the body.",
    "unknown_parameter": "The route does not know this query parameter.",
    "repeated": "The query parameter takes one value and was given several times.",
    "password_too_weak": "The password is too short, too common or too close to your name.",
    "wrong_password": "This is not your current password.",
    "https_required": "The URL has to begin with https://.",
    "port_not_allowed": "The URL has a port other than 443.",
    "address_not_allowed": "The URL leads to an address that is not public.",
    "has_credentials": "The URL has a user name or a password.",
    "cannot_widen": "The rights of a key can only be narrowed.",
    "event_full": "No seat is left for this row, and there is no waitlist.",
    "unknown_question": "The form of the event does not ask this question.",
    "option_full": "The limit of this option is reached.",
    "conflicting_fields": "Two fields say the same thing in two ways; send one.",
}


@dataclass(frozen=True)
class FieldError:
    """The error of one field. `field` is a dotted path, or None for the whole body.

    `suggestion` is a known name that is similar to an unknown one.
    """

    field: str | None
    code: str
    detail: str
    suggestion: str | None = None

    def __post_init__(self) -> None:
        if self.code not in FIELD_CODES:
            raise ValueError(f"{self.code!r} is not in FIELD_CODES")

    def as_dict(self) -> dict[str, str | None]:
        members = {"field": self.field, "code": self.code, "detail": self.detail}
        return members if self.suggestion is None else {**members, "suggestion": self.suggestion}


class ValidationFailed(DomainError):
    code = "validation_error"
    status = 400
    title = "The request has invalid values"
    detail = "Correct the fields named in errors and send the request again."
    help = (
        "One or more fields of the body, or query parameters, were not accepted. "
        "The member errors lists them: field is the path of the field (null for the whole body), "
        "code says what is wrong, detail says it in a sentence, and suggestion, if there is one, "
        "is the name that was probably meant. A field that the route does not know is an "
        "error, so that a misspelt one is not lost; with the header Prefer: handling=lenient "
        "unknown fields are ignored."
    )
    example = {"errors": [FieldError("name", "blank", "This field may not be blank.").as_dict()]}

    def __init__(self, *errors: FieldError, **facts: Any) -> None:
        self.field_errors = errors
        super().__init__(errors=[error.as_dict() for error in errors], **facts)


class UnknownParameter(ValidationFailed):
    code = "unknown_parameter"
    title = "Unknown query parameter"
    detail = "Remove or correct the query parameters named in errors."
    help = (
        "The route does not know a query parameter that was sent. A misspelt filter would quietly "
        "return everything, so it is refused. The detail of each error lists what is known."
    )
    example = {
        "errors": [
            FieldError("catgory", "unknown_parameter", "Known are: category, search.").as_dict()
        ]
    }
