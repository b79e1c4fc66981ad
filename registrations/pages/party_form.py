"""What the forms of registering and of editing have in common: a party, and its answers.

A field has the path of the API as its name, such as `guests.0.answers.diet`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from django.http import QueryDict

from config.errors import DomainError, ValidationFailed
from events.models import Event, RegistrationMode

from ..errors import CodeInvalid, CodeRequired, CodeUsedUp, OptionFull
from ..forms.questions import Questions, questions_of
from ..services.option_limits import left_by_option
from .question_fields import QuestionField, answer_key, fields_of
from .wording import plain_sentence, plain_sentences

# Programs that fill in every field fill in this one too. People do not see it.
TRAP = "website"
MAX_NAMED_GUESTS = 9  # a larger party may leave the others unnamed
GUEST_FIELD = re.compile(r"guests\.([0-9]{1,2})\.(.+)", re.DOTALL)

Sent = Mapping[str, list[str]]


@dataclass(frozen=True)
class GuestFields:
    number: int
    path: str
    name: str
    email: str
    questions: list[QuestionField]


@dataclass(frozen=True)
class PartyForm:
    """What a form shows: the values that were sent, and the error that refused them."""

    event: Event
    sent: Sent = field(default_factory=dict)
    refusal: DomainError | None = None

    is_edit = False

    def value(self, name: str) -> str:
        return next(iter(self.sent.get(name, ())), "")

    @property
    def name(self) -> str:
        return self.value("name")

    @property
    def show_name(self) -> bool:
        return bool(self.value("show_name"))

    @property
    def party_size(self) -> str:
        return self.value("party_size") or "1"

    @property
    def max_guests(self) -> int:
        """The number of guests that the form has fields for."""
        return min(self.event.max_party_size - 1, MAX_NAMED_GUESTS)

    @cached_property
    def questions(self) -> Questions:
        return questions_of(self.event.form)

    @cached_property
    def left(self) -> dict[tuple[str, str], int]:
        """How many may still choose an option that has a limit."""
        return left_by_option(self.event.pk, self.questions)

    @cached_property
    def fields(self) -> list[QuestionField]:
        return self._fields("answers", is_guest=False)

    @cached_property
    def guests(self) -> list[GuestFields]:
        """The guests who were named, and empty fields for others."""
        return [self._guest(index) for index in range(self.max_guests)]

    def _guest(self, index: int) -> GuestFields:
        path = f"guests.{index}"
        questions = self._fields(f"{path}.answers", is_guest=True)
        name, email = (self.value(f"{path}.{each}") for each in ("name", "email"))
        return GuestFields(index + 1, path, name, email, questions)

    @property
    def answered(self) -> Sent:
        """The values that the fields of the questions have."""
        return self.sent

    def _fields(self, path: str, *, is_guest: bool) -> list[QuestionField]:
        return fields_of(
            self.questions,
            self.answered,
            self._errors_by_path,
            self.left,
            path=path,
            is_guest=is_guest,
            is_edit=self.is_edit,
        )

    @property
    def names_guests(self) -> bool:
        """Whether the fields of guests are open."""
        return any(path.startswith("guests") for path in (*self.sent, *self._errors_by_path))

    @cached_property
    def _errors_by_path(self) -> dict[str, str]:
        if isinstance(self.refusal, OptionFull):
            return self._full_option(**self.refusal.facts)
        has_code = self.event.registration_mode == RegistrationMode.CODE
        if has_code and isinstance(self.refusal, CodeRequired | CodeInvalid | CodeUsedUp):
            return {"code": " ".join(plain_sentences(self.refusal))}
        if not isinstance(self.refusal, ValidationFailed):
            return {}
        return {
            str(error.field): plain_sentence(error)
            for error in reversed(self.refusal.field_errors)
            if error.field is not None and error.field != TRAP
        }

    def _full_option(self, key: str, value: str) -> dict[str, str]:
        """The sentence about an option that is taken, by the first field that has it."""
        question = self.questions.by_key.get(key)
        labels = {each.value: each.label for each in question.options} if question else {}
        paths = [name for name in self.sent if value in self.sent[name] and answer_key(name) == key]
        path = next(iter(paths), f"answers.{key}")
        return {path: f"“{labels.get(value, value)}” is full. Choose something else."}

    @cached_property
    def errors(self) -> dict[str, str]:
        """The sentence of each field that has to be corrected, in the order of the form."""
        labels = {each.name: each.question.label for each in self.fields}
        for guest in self.guests:
            who = f"Guest {guest.number}"
            labels |= {f"{guest.path}.{each}": who for each in ("name", "email")}
            labels |= {each.name: f"{who}, {each.question.label}" for each in guest.questions}
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
            return [] if self.errors else plain_sentences(self.refusal)
        return [
            plain_sentence(each)
            for each in self.refusal.field_errors
            if each.field not in self.errors
        ]


def sent_values(fields: QueryDict) -> dict[str, list[str]]:
    """The values of the form. Guests without a name and answers are left out.

    The others move up, so that their places are those of the API's errors.
    """
    sent: dict[str, list[str]] = {}
    guests: dict[int, dict[str, list[str]]] = {}
    for name, values in fields.lists():
        texts = [str(value).replace("\x00", "") for value in values]
        match = GUEST_FIELD.fullmatch(name)
        if match is None:
            sent[name] = texts
        elif any(text.strip() for text in texts):
            guests.setdefault(int(match[1]), {})[match[2]] = texts
    for place, index in enumerate(sorted(guests)):
        sent |= {f"guests.{place}.{name}": texts for name, texts in guests[index].items()}
    return sent


def guest_places(sent: Sent) -> list[int]:
    """The places of the guests who are named."""
    return sorted({int(match[1]) for match in filter(None, map(GUEST_FIELD.fullmatch, sent))})


def guest_contact(sent: Sent, place: int) -> dict[str, str]:
    """The name and the address of a guest, if they are given."""
    texts = {each: "".join(sent.get(f"guests.{place}.{each}", ())) for each in ("name", "email")}
    return {each: text.strip() for each, text in texts.items() if text.strip()}


def number_of(text: str) -> int | str:
    """The whole number of a field. Any other text is sent as it is, which the API rejects."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text
