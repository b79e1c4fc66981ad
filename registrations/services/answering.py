"""The answers of a party that registers.

Lock order: event, registration.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import transaction

from accounts.models import User
from config.errors import TemporarilyUnavailable
from events.models import Event, Form
from events.services import lock_event

from ..errors import FormChanged
from ..forms.answers import Strictness, read_new
from ..forms.documents import form_document
from ..forms.questions import Questions, questions_of, taken_options
from ..models import Registration
from .eligibility import (
    Status,
    check_capacity_holds,
    check_has_place,
    check_is_visible,
    check_may_ask,
    check_mode,
    check_party_size,
    placement,
)
from .option_limits import Option, check_options_free, take_options, taken_by_option
from .placing import event_of, place, read_state, registration_of

# The form of the event may change between the check of the answers and the lock.
_ATTEMPTS = 3

Guest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Submission:
    """What a person sends for the form of an event. A version of None is the current one."""

    answers: Mapping[str, Any]
    guests: Sequence[Guest]
    form_version: int | None = None
    strictness: Strictness = Strictness.COMPLETE
    party_size: int = 1

    @property
    def is_empty(self) -> bool:
        """Whether nothing in it is about a form."""
        has_answers = self.answers or any("answers" in guest for guest in self.guests)
        return not has_answers and self.form_version is None

    @property
    def was_accepted(self) -> bool:
        """Whether the same was accepted before, and waited for the confirmation of its address."""
        return self.strictness == Strictness.ACCEPTED

    def check_party_size(self, event: Event) -> None:
        """Raises `ValidationFailed`. A party that was accepted stays as large as it is."""
        if not self.was_accepted:
            check_party_size(event, self.party_size)


@dataclass(frozen=True, slots=True)
class Answered:
    """Accepted answers to the current form, and the options with a limit that they choose.

    `is_outdated` is set if they are for another version. Then nothing was checked.
    """

    form_id: int | None
    questions: Questions
    answers: dict[str, Any]
    guests: list[Guest]
    chosen: list[Option]
    is_outdated: bool = False

    def check_version(self, event: Event) -> None:
        """Raises `FormChanged`."""
        if self.is_outdated:
            raise FormChanged(form=form_document(self.questions, taken_by_option(event.pk)))

    def check_options(self, event: Event) -> None:
        """Raises `OptionFull`."""
        check_options_free(event.pk, self.questions, self.chosen)

    def take_options(self, event: Event) -> None:
        """Caller holds the event lock and has called `check_options`."""
        take_options(event.pk, self.questions, self.chosen)


def read_submission(event: Event, submission: Submission, now: datetime) -> Answered:
    """Checks the party, and its answers to the form of `event`. Raises `ValidationFailed`.

    A registered address is reported before another version of the form, so `check_version` does
    that later.
    """
    submission.check_party_size(event)
    form = Form.objects.filter(pk=event.form_id).first() if event.form_id else None
    questions = questions_of(form)
    if submission.form_version not in (None, questions.version):
        return Answered(event.form_id, questions, {}, [], [], is_outdated=True)
    answers, guests = read_new(
        questions, submission.answers, submission.guests, now, submission.strictness
    )
    chosen = taken_options(questions, answers, guests)
    return Answered(event.form_id, questions, answers, guests, chosen)


def read_details(event: Event, details: Mapping[str, Any], now: datetime) -> Answered:
    """The same for the arguments of `register`."""
    submission = Submission(
        details.get("answers") or {},
        details["guests"],
        details.get("form_version"),
        details.get("strictness", Strictness.COMPLETE),
        details["party_size"],
    )
    return read_submission(event, submission, now)


def register_answered(
    parameters: dict[str, Any], submission: Submission, viewer: User | AnonymousUser
) -> Registration:
    """Registers for an event that asks questions. Raises the errors of `register`.

    Everything is checked before the lock, so that a refusal takes none, and again under it.
    """
    now, party_size = parameters["now"], parameters["party_size"]
    for _ in range(_ATTEMPTS):
        event, is_registered = read_state(parameters["event_id"], parameters["email"])
        check_is_visible(event, viewer, is_opened=parameters["is_opened"])
        check_mode(event, parameters["skips_mode"], now, party_size)
        answered = read_submission(event, submission, now)
        check_may_ask(event, is_registered=is_registered, now=now)
        answered.check_version(event)
        check_capacity_holds(event, party_size)
        answered.check_options(event)
        check_has_place(event, party_size)
        row = _place_answered(parameters, submission, answered, viewer)
        if row is not None:
            return registration_of({**parameters, **_columns_of(answered)}, row, event_of(row))
    raise TemporarilyUnavailable


@transaction.atomic
def _place_answered(
    parameters: dict[str, Any],
    submission: Submission,
    answered: Answered,
    viewer: User | AnonymousUser,
) -> dict[str, Any] | None:
    """Takes the options and the place. None if the event has other questions since the check.

    Raises the errors of `register`.
    """
    event = lock_event(parameters["event_id"])
    if event.form_id != answered.form_id:
        return None
    now, party_size, email = (parameters[name] for name in ("now", "party_size", "email"))
    check_is_visible(event, viewer, is_opened=parameters["is_opened"])
    check_mode(event, parameters["skips_mode"], now, party_size)
    submission.check_party_size(event)
    is_registered = Registration.objects.of_address().filter(event=event, email=email).exists()
    check_may_ask(event, is_registered=is_registered, now=now)
    check_capacity_holds(event, party_size)
    answered.check_options(event)
    check_has_place(event, party_size)
    answered.take_options(event)
    gets_seat = placement(event, party_size) == Status.CONFIRMED
    row = place({**parameters, **_columns_of(answered), "gets_seat": gets_seat, "is_opened": True})
    if not row["is_placed"]:
        raise TemporarilyUnavailable
    return row


def _columns_of(answered: Answered) -> dict[str, Any]:
    return {
        "form_id": answered.form_id,
        "answers": json.dumps(answered.answers),
        "guests": json.dumps(answered.guests),
    }
