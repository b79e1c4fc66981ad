"""Reading the answers of a party: of a new registration, and of an edit."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from config.api.http.name_suggestions import MAX_LENGTH, MAX_REPORTED, suggest
from config.api.text.instants import render_instant
from config.errors import FieldError, ValidationFailed

from .questions import Question, Questions, Type
from .values import InvalidAnswer, read_answer

Answers = dict[str, Any]
Guest = dict[str, Any]

_REQUIRED = {
    Type.CONSENT: "Agree by true; registering needs it.",
    Type.BOOLEAN: "Answer by true or false.",
}


class Strictness(Enum):
    """What is checked of new answers.

    - `COMPLETE`: everything, and required questions must be answered.
    - `GIVEN`: what is given. Imports and staff may leave required questions open.
    - `ACCEPTED`: nothing, since all was accepted before. Answers that the present form does not
      accept are dropped.
    """

    COMPLETE = "complete"
    GIVEN = "given"
    ACCEPTED = "accepted"


@dataclass
class _Reading:
    """The errors that were found so far, and what a consent is stored with."""

    questions: Questions
    now: datetime
    strictness: Strictness = Strictness.COMPLETE
    errors: list[FieldError] = field(default_factory=list)
    unknown_count: int = 0

    def read(self, path: str, sent: Mapping[str, Any], asked: Mapping[str, Question]) -> Answers:
        """The answers that are sent and accepted; None for those that are empty."""
        answers: Answers = {}
        for key, value in sent.items():
            question = asked.get(key)
            if question is None:
                self._reject_unknown(path, key, asked)
                continue
            try:
                answer = read_answer(question, value)
            except InvalidAnswer as error:
                self.errors.append(FieldError(f"{path}.{key}", error.code, error.detail))
                continue
            was_given = self.strictness == Strictness.ACCEPTED and isinstance(value, Mapping)
            if was_given and question.type == Type.CONSENT:
                answer = value  # with the version and the time of that agreement
            elif answer is not None and question.type == Type.CONSENT:
                at = render_instant(self.now)
                answer = {"agreed": True, "version": self.questions.version, "at": at}
            answers[key] = answer
        return answers

    def require(self, path: str, question: Question) -> None:
        detail = _REQUIRED.get(question.type, "This question needs an answer.")
        self.errors.append(FieldError(f"{path}.{question.key}", "required", detail))

    def has_error(self, path: str) -> bool:
        return any(error.field == path for error in self.errors)

    def forgive(self, path: str, hidden: Set[str]) -> None:
        """Drops the errors of answers to hidden questions, since these answers are dropped too."""
        fields = {f"{path}.{key}" for key in hidden}
        self.errors = [error for error in self.errors if error.field not in fields]

    def _reject_unknown(self, path: str, key: str, asked: Mapping[str, Question]) -> None:
        self.unknown_count += 1
        if self.unknown_count > MAX_REPORTED:
            return
        suggestion = suggest(key, list(asked))
        shortened = key if len(key) <= MAX_LENGTH else f"{key[:MAX_LENGTH]}…"
        detail = f"Did you mean {suggestion}?" if suggestion else "The form has no such question."
        error = FieldError(f"{path}.{shortened}", "unknown_question", detail, suggestion)
        self.errors.append(error)

    @property
    def must_answer(self) -> bool:
        return self.strictness == Strictness.COMPLETE

    def raise_errors(self) -> None:
        if self.errors and self.strictness != Strictness.ACCEPTED:
            raise ValidationFailed(*self.errors)


def asked_of(questions: Questions, *, guest: bool = False) -> dict[str, Question]:
    """The questions that a registrant or a guest is asked, by their keys."""
    return {each.key: each for each in questions.active if each.asks_guests or not guest}


def read_new(
    questions: Questions,
    answers: Mapping[str, Any],
    guests: Sequence[Mapping[str, Any]],
    now: datetime,
    strictness: Strictness = Strictness.COMPLETE,
) -> tuple[Answers, list[Guest]]:
    """The answers of a new registration and its named guests, as they are stored.

    Answers to hidden questions are dropped. Raises `ValidationFailed` with all errors.
    """
    reading = _Reading(questions, now, strictness)
    own = _read_person(reading, "answers", answers, asked_of(questions))
    asked = asked_of(questions, guest=True)
    stored = []
    for index, guest in enumerate(guests):
        path = f"guests.{index}.answers"
        sent = guest.get("answers") or {}
        theirs = _read_person(reading, path, sent, asked, of_registrant=own)
        stored.append(_guest(guest, theirs, asked))
    reading.raise_errors()
    return own, stored


def _read_person(
    reading: _Reading,
    path: str,
    sent: Mapping[str, Any],
    asked: Mapping[str, Question],
    *,
    of_registrant: Answers | None = None,
) -> Answers:
    read = reading.read(path, sent, asked)
    answers = {key: answer for key, answer in read.items() if answer is not None}
    visible = reading.questions.visible_keys(answers, of_registrant)
    reading.forgive(path, asked.keys() - visible)
    for key, question in asked.items():
        is_missing = question.required and key in visible and key not in answers
        if reading.must_answer and is_missing and not reading.has_error(f"{path}.{key}"):
            reading.require(path, question)
    return {key: answers[key] for key in asked if key in answers and key in visible}


def read_edit(
    questions: Questions,
    stored: Answers,
    stored_guests: Sequence[Guest],
    *,
    answers: Mapping[str, Any] | None,
    guests: Sequence[Mapping[str, Any]] | None,
    now: datetime,
) -> tuple[Answers, list[Guest]]:
    """The answers and guests after an edit; None leaves them as they are.

    Only what is sent and differs from what is stored is checked, so an answer that the form no
    longer accepts blocks nothing. A question that an answer hides loses its own; one that was
    hidden before keeps it. A guest keeps the answers of the former guest with the same name and
    address; see `_former_guests`. Raises `ValidationFailed` with all errors.
    """
    reading = _Reading(questions, now)
    own = _edit_person(reading, "answers", stored, answers or {}, asked_of(questions))
    asked = asked_of(questions, guest=True)
    edited = []
    named = stored_guests if guests is None else guests
    former = stored_guests if guests is None else _former_guests(stored_guests, guests)
    for index, guest in enumerate(named):
        known = former[index]
        before = known.get("answers") or {}
        sent = {} if guests is None else guest.get("answers") or {}
        path = f"guests.{index}.answers"
        theirs = _edit_person(reading, path, before, sent, asked, of_registrant=(stored, own))
        is_unchanged = known and theirs == before
        edited.append(dict(known) if is_unchanged else _guest(guest, theirs, asked))
    reading.raise_errors()
    return own, edited


def _former_guests(
    stored: Sequence[Guest], guests: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """The former guest that each guest is, by name and address; an empty one for a new guest.

    Of several with the same name and address it is the one with the same answers, then the one at
    the same place, then the first.
    """
    former: list[Mapping[str, Any]] = [{}] * len(guests)
    left = dict(enumerate(stored))
    missing = dict(enumerate(guests))
    for needs_answers, needs_place in ((True, True), (True, False), (False, True), (False, False)):
        for index, guest in list(missing.items()):
            for place in [index] if needs_place else list(left):
                is_same = place in left and _is_same_guest(left[place], guest, needs_answers)
                if is_same:
                    former[index] = left.pop(place)
                    del missing[index]
                    break
    return former


def _is_same_guest(former: Guest, guest: Mapping[str, Any], needs_answers: bool) -> bool:
    names = ("name", "email", "answers") if needs_answers else ("name", "email")
    return all(former.get(name) == guest.get(name) for name in names)


def _edit_person(
    reading: _Reading,
    path: str,
    stored: Answers,
    sent: Mapping[str, Any],
    asked: Mapping[str, Question],
    *,
    of_registrant: tuple[Answers, Answers] | None = None,
) -> Answers:
    """The answers of one person after an edit.

    `of_registrant` has the answers of the registrant of a guest, before and after.
    """
    registrant_before, registrant_after = of_registrant or (None, None)
    questions = reading.questions
    changed = {key: value for key, value in sent.items() if not _is_stored(stored, key, value)}
    removed = {key for key, value in changed.items() if value is None and key in stored}
    read = reading.read(
        path, {key: value for key, value in changed.items() if key not in removed}, asked
    )
    merged = {**stored, **read, **dict.fromkeys(removed)}
    for key, question in asked.items():
        was_agreed = question.type == Type.CONSENT and key in stored
        if was_agreed and read.get(key) is not None:
            merged[key] = stored[key]  # the first time counts
    after = {key: answer for key, answer in merged.items() if answer is not None}
    visible = questions.visible_keys(after, registrant_after)
    before = questions.visible_keys(stored, registrant_before)
    hidden = (before | changed.keys()) - visible
    reading.forgive(path, asked.keys() & hidden)
    for key, question in asked.items():
        is_missing = question.required and key in changed and key in visible and key not in after
        if is_missing and not reading.has_error(f"{path}.{key}"):
            reading.require(path, question)
    return {key: answer for key, answer in after.items() if key not in hidden}


def _is_stored(stored: Answers, key: str, value: Any) -> bool:
    """Whether the client sends back what it has read. True is not 1 in JSON."""
    known = stored.get(key)
    return key in stored and type(known) is type(value) and bool(known == value)


def _guest(guest: Mapping[str, Any], answers: Answers, asked: Mapping[str, Question]) -> Guest:
    """A guest as stored. Guests have answers if the form asks them or they have some."""
    person = {"name": guest.get("name"), "email": guest.get("email")}
    return {**person, "answers": answers} if asked or answers else person
