"""The questions of a form, which is stored as a list of objects."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from events.models import Form

MAX_QUESTIONS = 50
MAX_OPTIONS = 100
# An export has columns of this name after `answers.`, and identifiers of SQL have 63 characters.
MAX_KEY_LENGTH = 50
MAX_VALUE_LENGTH = 100
MAX_CONDITION_LENGTH = 500
# Each version is kept, and each registration reads the current one.
MAX_FORM_BYTES = 256 * 1024


class Type(StrEnum):
    TEXT = "text"
    PARAGRAPH = "paragraph"
    NUMBER = "number"
    BOOLEAN = "boolean"
    CONSENT = "consent"
    CHOICE = "choice"
    CHOICES = "choices"
    DATE = "date"
    EMAIL = "email"
    PHONE = "phone"
    URL = "url"
    COUNTRY = "country"


TYPES = [each.value for each in Type]


WITH_OPTIONS = (Type.CHOICE, Type.CHOICES)


class Ask(StrEnum):
    REGISTRANT = "registrant"
    EACH_PERSON = "each_person"


@dataclass(frozen=True, slots=True)
class Option:
    value: str
    label: str
    limit: int | None


@dataclass(frozen=True, slots=True)
class Condition:
    """A question is asked only if the answer to question `key` is one of `any_of`."""

    key: str
    any_of: tuple[Any, ...]

    def is_met(self, answer: Any) -> bool:
        given = answer if isinstance(answer, list) else [plain_value(answer)]
        return any(_is_same(value, wanted) for value in given for wanted in self.any_of)


@dataclass(frozen=True, slots=True)
class Question:
    key: str
    label: str
    help: str
    type: Type
    required: bool
    active: bool
    ask: Ask
    min: float | None
    max: float | None
    options: tuple[Option, ...]
    show_if: Condition | None
    retention_days: int | None

    @property
    def limits(self) -> dict[str, int]:
        """The limit of each option that has one, by its value."""
        return {each.value: each.limit for each in self.options if each.limit is not None}

    @property
    def asks_guests(self) -> bool:
        return self.ask == Ask.EACH_PERSON


@dataclass(frozen=True)
class Questions:
    """One version of a form. The version of an event without a form is 0."""

    version: int
    all: tuple[Question, ...]

    @property
    def by_key(self) -> dict[str, Question]:
        return {question.key: question for question in self.all}

    @property
    def active(self) -> list[Question]:
        return [question for question in self.all if question.active]

    @property
    def limits(self) -> dict[tuple[str, str], int]:
        """The limits by the key of the question and the value of the option."""
        return {
            (question.key, value): limit
            for question in self.all
            for value, limit in question.limits.items()
        }

    def visible_keys(
        self, answers: Mapping[str, Any], of_registrant: Mapping[str, Any] | None = None
    ) -> set[str]:
        """The questions that are asked after these answers. Inactive ones stay visible.

        For a guest, `of_registrant` has the answers to questions that only the registrant is asked.
        """
        visible: set[str] = set()
        for question in self.all:
            condition = question.show_if
            if condition is None:
                visible.add(question.key)
                continue
            known = self.by_key.get(condition.key)
            source = answers
            if of_registrant is not None and known is not None and not known.asks_guests:
                source = of_registrant
            is_asked = condition.key in visible and condition.key in source
            if is_asked and condition.is_met(source[condition.key]):
                visible.add(question.key)
        return visible


NO_QUESTIONS = Questions(0, ())


def questions_of(form: Form | None) -> Questions:
    """The questions of a form; none of an event without a form."""
    return NO_QUESTIONS if form is None else parse_questions(form.version, form.questions)


def parse_questions(version: int, document: Iterable[Mapping[str, Any]]) -> Questions:
    return Questions(version, tuple(map(_question, document)))


def _question(fields: Mapping[str, Any]) -> Question:
    condition = fields["show_if"]
    options = fields["options"] or ()
    return Question(
        key=fields["key"],
        label=fields["label"],
        help=fields["help"],
        type=Type(fields["type"]),
        required=fields["required"],
        active=fields["active"],
        ask=Ask(fields["ask"]),
        min=fields["min"],
        max=fields["max"],
        options=tuple(Option(each["value"], each["label"], each["limit"]) for each in options),
        show_if=condition and Condition(condition["key"], tuple(condition["any_of"])),
        retention_days=fields["retention_days"],
    )


def plain_value(answer: Any) -> Any:
    """The value of an answer that conditions and filters compare. That of a consent is true."""
    return answer["agreed"] if isinstance(answer, Mapping) else answer


def chosen_options(question: Question, answer: Any) -> list[str]:
    """The options that an answer to a question with options chooses."""
    if question.type not in WITH_OPTIONS or answer is None:
        return []
    return list(answer) if isinstance(answer, list) else [answer]


def _is_same(value: Any, wanted: Any) -> bool:
    """Equality in JSON: true is not 1."""
    return isinstance(value, bool) == isinstance(wanted, bool) and bool(value == wanted)


def taken_options(
    questions: Questions, answers: Mapping[str, Any], guests: Collection[Mapping[str, Any]]
) -> list[tuple[str, str]]:
    """The options with a limit that a party takes, once for each answer, in a fixed order."""
    limits = questions.limits
    if not limits:
        return []
    everyone = [answers, *(guest.get("answers") or {} for guest in guests)]
    return sorted(
        (question.key, value)
        for question in questions.all
        if question.limits
        for each in everyone
        for value in chosen_options(question, each.get(question.key))
        if (question.key, value) in limits
    )
