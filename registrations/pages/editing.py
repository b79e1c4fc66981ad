"""The form by which a holder changes a registration: the name, the party, and the answers.

It names its parts in `part`, so that a box without a tick and an emptied field are told from those
that the form does not have. It has fingerprints of what it showed in `shown`, so that an old page
does not take back what was changed since. Only what differs from what is stored is passed to the
service.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any

from config.errors import DomainError, FieldError, ValidationFailed
from events.models import Event

from ..forms.questions import Questions, questions_of, taken_options
from ..models import Registration
from .names import has_names
from .party_form import (
    GUEST_FIELD,
    MAX_NAMED_GUESTS,
    PartyForm,
    Sent,
    guest_contact,
    guest_places,
    number_of,
)
from .question_fields import (
    answer_key,
    changed_answers,
    read_answers,
    stored_texts,
    texts_of,
)

_WORDS = {
    "name": "The name",
    "party_size": "The number of people",
    "guests": "The list of guests",
    "show_name": "Whether your name is shown",
}


@dataclass(frozen=True)
class EditForm(PartyForm):
    """The form with what is stored. With `refusal` it has what was sent in its place."""

    registration: Registration = field(kw_only=True)

    is_edit = True

    @cached_property
    def left(self) -> dict[tuple[str, str], int]:
        """Without the options that the party has: it may keep them."""
        row = self.registration
        held = set(taken_options(self.questions, row.answers, row.guests))
        return {option: left for option, left in super().left.items() if option not in held}

    @property
    def max_people(self) -> int:
        """What the party may be at most. On the waiting list it can only shrink."""
        size = self.registration.party_size
        is_waiting = self.registration.status == Registration.Status.WAITLISTED
        return size if is_waiting else max(size, self.event.max_party_size)

    @property
    def max_guests(self) -> int:
        return max(len(self.registration.guests), min(self.max_people - 1, MAX_NAMED_GUESTS))

    @property
    def has_party(self) -> bool:
        is_ahead = self.event.status == Event.Status.PUBLISHED and not self.event.has_started()
        return is_ahead and (self.max_people > 1 or self.registration.party_size > 1)

    @property
    def has_show_name(self) -> bool:
        return has_names(self.event)

    @cached_property
    def answered(self) -> Sent:
        """With the stored answer in place of options that became full meanwhile."""
        full = {option for option, left in self.left.items() if left <= 0}
        values = dict(self.sent)
        for name, texts in self.sent.items():
            key = answer_key(name)
            free = [text for text in texts if (key, text) not in full]
            if len(free) < len(texts):
                stored = self._stored_answers(name).get(key)
                values[name] = free or texts_of(self.questions.by_key[key], stored)
        return values

    def _stored_answers(self, name: str) -> Mapping[str, Any]:
        """Those of the person whose field it is."""
        match = GUEST_FIELD.fullmatch(name)
        if match is None:
            answers: dict[str, Any] = self.registration.answers
            return answers
        return _answers_of(guest_contact(self.sent, int(match[1])), self.registration.guests)

    @property
    def shown(self) -> list[str]:
        """A fingerprint of what is stored of each field, with the name of the field."""
        stored = _stored(self.registration, self.questions)
        names = ["name", *(each.name for each in self.fields)]
        names += ["show_name"] if self.has_show_name else []
        names += ["party_size", "guests"] if self.has_party else []
        return [f"{_fingerprint(stored, name)} {name}" for name in names]


def edit_form(
    registration: Registration, sent: Sent | None = None, refusal: DomainError | None = None
) -> EditForm:
    """The form, or with `sent` that of a refusal: the parts that were not sent are as stored."""
    event = registration.event
    values = _stored(registration, questions_of(event.form))
    if sent is not None:
        sent, _ = _settled(sent, values)
        parts = {*sent.get("part", ()), *sent}
        kept = {name: texts for name, texts in values.items() if _part(name) not in parts}
        values = {**kept, **sent}
    return EditForm(event, values, refusal, registration=registration)


def changes_of(registration: Registration, sent: Sent) -> dict[str, Any]:
    """The fields that differ from what is stored, as a client of the API sends them.

    Raises `ValidationFailed` if somebody else has changed one of them since the page was shown.
    """
    changes: dict[str, Any] = {}
    questions = questions_of(registration.event.form)
    sent, taken = _settled(sent, _stored(registration, questions))
    if taken:
        raise ValidationFailed(*(FieldError(name, "invalid", _changed(name)) for name in taken))
    parts = sent.get("part", [])
    for name, text in (("name", registration.name), ("party_size", str(registration.party_size))):
        if name in sent and sent[name][0].strip() != text:
            changes[name] = sent[name][0]
    if "party_size" in changes:
        changes["party_size"] = number_of(changes["party_size"])
    if "show_name" in parts and bool(sent.get("show_name")) != registration.show_name:
        changes["show_name"] = bool(sent.get("show_name"))
    if "answers" in parts:
        answers = changed_answers(questions, sent, registration.answers)
        changes |= {"answers": answers} if answers else {}
    if "guests" in parts and _guest_texts(sent) != _guest_texts(_stored(registration, questions)):
        changes["guests"] = _guests(registration, questions, sent)
    return changes


def _stored(registration: Registration, questions: Questions) -> dict[str, list[str]]:
    """What the form shows of the registration, by the names of its fields."""
    values = {
        "name": [registration.name],
        "party_size": [str(registration.party_size)],
        "show_name": ["yes"] if registration.show_name else [],
        **stored_texts(questions, registration.answers),
    }
    for place, guest in enumerate(registration.guests):
        path = f"guests.{place}"
        values |= {f"{path}.{each}": [guest.get(each) or ""] for each in ("name", "email")}
        answers = guest.get("answers") or {}
        values |= stored_texts(questions, answers, path=f"{path}.answers", is_guest=True)
    return values


def _settled(sent: Sent, stored: Sent) -> tuple[Sent, list[str]]:
    """The values that were sent, except where the stored value takes precedence.

    It does in a field that the person did not change, and in one that somebody else has changed
    meanwhile. Returns the values, and the names of the fields that both have changed.
    """
    values, taken = dict(sent), []
    for text in sent.get("shown", ()):
        shown, _, name = text.partition(" ")
        mine = _fingerprint(sent, name)
        if _fingerprint(stored, name) in {shown, mine}:
            continue
        values = {each: values[each] for each in values if _whole(each) != name}
        values |= {each: stored[each] for each in stored if _whole(each) == name}
        if mine != shown:
            taken.append(name)
    return values, taken


def _fingerprint(values: Sent, name: str) -> str:
    """Short, and the same for texts that differ only in what a browser changes of them."""
    texts = _filled({each: values[each] for each in values if _whole(each) == name})
    return blake2b(json.dumps(texts, sort_keys=True).encode(), digest_size=8).hexdigest()


def _changed(name: str) -> str:
    what = _WORDS.get(name, "The answer")
    return (
        f"{what} was changed elsewhere while this page was open. The form has what is stored now; "
        "change it again if it is not right."
    )


def _whole(name: str) -> str:
    """The field that a control belongs to: all guests are one."""
    return "guests" if _part(name) == "guests" else name


def _part(name: str) -> str:
    return name.partition(".")[0]


def _guest_texts(values: Sent) -> dict[str, list[str]]:
    return _filled({name: values[name] for name in values if _part(name) == "guests"})


def _filled(values: Sent) -> dict[str, list[str]]:
    """What is filled in, in one order. Browsers end lines in their own way."""
    texts = {
        name: sorted(text.replace("\r\n", "\n").strip() for text in values[name] if text.strip())
        for name in values
    }
    return {name: filled for name, filled in texts.items() if filled}


def _guests(registration: Registration, questions: Questions, sent: Sent) -> list[dict[str, Any]]:
    """All guests with all answers: one who is renamed is a new guest to the service."""
    guests = []
    for place in guest_places(sent):
        guest: dict[str, Any] = guest_contact(sent, place)
        former = _answers_of(guest, registration.guests)
        path = f"guests.{place}.answers"
        answers = read_answers(questions, sent, path=path, is_guest=True)
        changed = changed_answers(
            questions, sent, former, path=path, of_registrant=registration.answers
        )
        removed = dict.fromkeys(key for key, value in changed.items() if value is None)
        guest["answers"] = {**answers, **removed}
        guests.append(guest)
    return guests


def _answers_of(guest: dict[str, Any], former: Collection[dict[str, Any]]) -> dict[str, Any]:
    """The stored answers of the guest with the same name and address; none of a new guest."""
    for each in former:
        if all((each.get(name) or None) == guest.get(name) for name in ("name", "email")):
            return each.get("answers") or {}
    return {}
