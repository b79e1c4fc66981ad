"""The registration form of an event's page. The services are those of the API."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse

from config.api.http.one_use_forms import FormToken, check_token, submit_once
from config.api.http.rate_limits import check_limit
from config.api.http.throttling import client_address, client_network
from config.api.pages import read_form, sentences
from config.errors import DomainError, FieldError, ValidationFailed
from events.access_keys import key_of_event
from events.links import page_path
from events.models import Event

from .. import services
from ..forms.questions import Questions, questions_of
from ..models import AddressConfirmation, Registration
from ..serializers import RegisterIn
from ..services.option_limits import left_by_option
from ..tickets import manage_token
from .question_fields import QuestionField, fields_of, read_answers

# Programs that fill in every field fill in this one too. People do not see it.
TRAP = "website"
MAX_NAMED_GUESTS = 9  # a larger party may leave the others unnamed
_TEXTS = ("name", "email", "source", "code")
_NUMBERS = ("party_size", "form_version")
_GUEST = SimpleNamespace(user=AnonymousUser())  # the caller of a request, for the serializer
_GUEST_FIELD = re.compile(r"guests\.([0-9]{1,2})\.(.+)", re.DOTALL)
# The API's sentences about missing values are for programs.
_MISSING = {
    "name": "Enter your name.",
    "email": "Enter your e-mail address.",
    "party_size": "Enter the number of people.",
}

Sent = Mapping[str, list[str]]


@dataclass(frozen=True)
class GuestFields:
    number: int
    path: str
    name: str
    questions: list[QuestionField]


@dataclass(frozen=True)
class RegistrationForm:
    """What the form shows: the values that were sent, and the error that refused them."""

    event: Event
    token: FormToken
    sent: Sent = field(default_factory=dict)
    refusal: DomainError | None = None

    def value(self, name: str) -> str:
        return next(iter(self.sent.get(name, ())), "")

    @property
    def name(self) -> str:
        return self.value("name")

    @property
    def email(self) -> str:
        return self.value("email")

    @property
    def source(self) -> str:
        return self.value("source")

    @property
    def code(self) -> str:
        return self.value("code")

    @property
    def show_name(self) -> bool:
        return bool(self.value("show_name"))

    @property
    def party_size(self) -> str:
        return self.value("party_size") or "1"

    @cached_property
    def questions(self) -> Questions:
        return questions_of(self.event.form)

    @cached_property
    def _left(self) -> dict[tuple[str, str], int]:
        return left_by_option(self.event.pk, self.questions)

    @cached_property
    def fields(self) -> list[QuestionField]:
        return fields_of(self.questions, self.sent, self._errors_by_path, self._left)

    @cached_property
    def guests(self) -> list[GuestFields]:
        """The guests who were named, and empty fields for others."""
        number = min(self.event.max_party_size - 1, MAX_NAMED_GUESTS)
        return [self._guest(index) for index in range(number)]

    def _guest(self, index: int) -> GuestFields:
        path = f"guests.{index}"
        questions = fields_of(
            self.questions,
            self.sent,
            self._errors_by_path,
            self._left,
            path=f"{path}.answers",
            is_guest=True,
        )
        return GuestFields(index + 1, path, self.value(f"{path}.name"), questions)

    @property
    def names_guests(self) -> bool:
        """Whether the fields of guests are open."""
        return any(path.startswith("guests") for path in (*self.sent, *self._errors_by_path))

    @cached_property
    def _errors_by_path(self) -> dict[str, str]:
        if not isinstance(self.refusal, ValidationFailed):
            return {}
        return {
            str(error.field): _sentence(error)
            for error in reversed(self.refusal.field_errors)
            if error.field is not None and error.field != TRAP
        }

    @cached_property
    def errors(self) -> dict[str, str]:
        """The sentence of each field that has to be corrected, in the order of the form."""
        asked = [*self.fields, *(each for guest in self.guests for each in guest.questions)]
        labels = {each.name: each.question.label for each in asked}
        labels |= {f"{guest.path}.name": f"Guest {guest.number}" for guest in self.guests}
        names = ["name", "email", *labels, "code", "party_size", "guests"]
        found = self._errors_by_path
        return {
            name: f"{labels[name]}: {found[name]}" if name in labels else found[name]
            for name in names
            if name in found
        }

    @cached_property
    def other_errors(self) -> list[str]:
        """The sentences that belong to no visible field."""
        if self.refusal is None:
            return []
        if not isinstance(self.refusal, ValidationFailed):
            return sentences(self.refusal)
        return [each.detail for each in self.refusal.field_errors if each.field not in self.errors]


def sent_values(fields: QueryDict) -> dict[str, list[str]]:
    """The values of the form. Guests without a name and answers are left out.

    The others move up, so that their places are those of the API's errors.
    """
    sent: dict[str, list[str]] = {}
    guests: dict[int, dict[str, list[str]]] = {}
    for name, values in fields.lists():
        texts = [str(value).replace("\x00", "") for value in values]
        match = _GUEST_FIELD.fullmatch(name)
        if match is None:
            sent[name] = texts
        elif any(text.strip() for text in texts):
            guests.setdefault(int(match[1]), {})[match[2]] = texts
    for place, index in enumerate(sorted(guests)):
        sent |= {f"guests.{place}.{name}": texts for name, texts in guests[index].items()}
    return sent


def register_by_form(
    request: HttpRequest, event: Event, token: FormToken | None, sent: Sent
) -> HttpResponse:
    """Registers a guest, once for each form. Raises `DomainError`."""
    check_limit("register", client_network(request))
    token = check_token(token)
    if any(sent.get(TRAP, ())):
        raise ValidationFailed(
            FieldError(TRAP, "invalid", "Leave the field “Website” empty and send the form again.")
        )
    data = read_form(RegisterIn, _fields(event, sent), request=_GUEST)

    def register() -> HttpResponse:
        made = services.register_caller(event.pk, None, **data, is_opened=True)
        return HttpResponseRedirect(_next_page(event, made))

    values = [(name, texts) for name, texts in sent.items() if name != "token"]
    return submit_once(token, values, register, address=client_address(request))


def _fields(event: Event, sent: Sent) -> dict[str, Any]:
    """The fields as a client of the API sends them."""
    fields: dict[str, Any] = {name: sent[name][0] for name in _TEXTS if sent.get(name)}
    for name in _NUMBERS:
        if sent.get(name):
            text = sent[name][0].strip()
            is_number = text.isascii() and text.isdigit() and len(text) < 10
            fields[name] = int(text) if is_number else text
    if sent.get("show_name"):
        fields["show_name"] = True
    questions = questions_of(event.form)
    if answers := read_answers(questions, sent):
        fields["answers"] = answers
    if guests := _guests(questions, sent):
        fields["guests"] = guests
    return fields


def _guests(questions: Questions, sent: Sent) -> list[dict[str, Any]]:
    matches = filter(None, map(_GUEST_FIELD.fullmatch, sent))
    guests = []
    for index in sorted({int(match[1]) for match in matches}):
        name = "".join(sent.get(f"guests.{index}.name", ())).strip()
        guest: dict[str, Any] = {"name": name} if name else {}
        path = f"guests.{index}.answers"
        if answers := read_answers(questions, sent, path=path, is_guest=True):
            guest["answers"] = answers
        guests.append(guest)
    return guests


def _next_page(event: Event, made: Registration | AddressConfirmation) -> str:
    """The page of the registration, which has the ticket.

    The address is not proven. If it belongs to an account, ticket and link are for its owner only
    and are sent by e-mail.
    """
    if isinstance(made, AddressConfirmation) or made.user_id is not None:
        key = {"key": key_of_event(event)} if event.is_unlisted else {}
        done = "unconfirmed" if isinstance(made, AddressConfirmation) else "mailed"
        return f"{page_path(event)}?{urlencode({**key, 'done': done})}#done"
    query = urlencode({"token": manage_token(made.pk), "done": made.status})
    return f"{reverse('manage-registration', args=(made.pk,))}?{query}"


# Those of the API for answers are about values of JSON.
_SENTENCES = {"Agree by true; registering needs it.": "Agree to go on."}


def _sentence(error: FieldError) -> str:
    if error.code in {"required", "blank", "null"}:
        return _MISSING.get(str(error.field), _SENTENCES.get(error.detail, error.detail))
    return error.detail
