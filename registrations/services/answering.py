"""The answers of a party that registers."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from events.models import Event, Form

from ..errors import FormChanged
from ..forms.answers import read_new
from ..forms.documents import form_document
from ..forms.questions import Questions, questions_of, taken_options
from .option_limits import Option, check_options_free, take_options, taken_by_option
from .requests import Guest, RegistrationRequest


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


NO_ANSWERS = Answered(None, questions_of(None), {}, [], [])


def read_answers(event: Event, request: RegistrationRequest, now: datetime) -> Answered:
    """Checks the answers of a request to the form of `event`. Raises `ValidationFailed`.

    A registered address is reported before another version of the form, so `check_version` does
    that later.
    """
    form = Form.objects.filter(pk=event.form_id).first() if event.form_id else None
    questions = questions_of(form)
    if request.form_version not in (None, questions.version):
        return Answered(event.form_id, questions, {}, [], [], is_outdated=True)
    answers, guests = read_new(questions, request.answers, request.guests, now, request.strictness)
    chosen = taken_options(questions, answers, guests)
    return Answered(event.form_id, questions, answers, guests, chosen)
