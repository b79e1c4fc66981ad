"""The answers in the rows of an import."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone

from config.errors import FieldError, ValidationFailed
from events.models import Event

from ..forms.answers import Guest, Strictness, read_new
from ..forms.questions import questions_of, taken_options
from .option_limits import first_full_option, left_by_option


class ImportedAnswers:
    """Checks the answers and guests of rows, and counts what they take of limited options.

    Required questions may stay open: people of a list were not asked. Caller holds the event lock,
    except in a dry run.
    """

    def __init__(self, event: Event) -> None:
        self._questions = questions_of(event.form)
        self._left = left_by_option(event.pk, self._questions)
        self._now = timezone.now()

    def read(
        self, line: int, sent: Mapping[str, Any], sent_guests: Sequence[Guest]
    ) -> tuple[dict[str, Any], list[Guest], tuple[FieldError, ...]]:
        """The answers and the guests as they are stored, and the errors of the row."""
        if not (sent or sent_guests):
            return {}, [], ()
        try:
            answers, guests = read_new(
                self._questions, sent, sent_guests, self._now, Strictness.GIVEN
            )
        except ValidationFailed as refusal:
            return (
                {},
                [],
                tuple(
                    FieldError(f"line.{line}.{each.field}", each.code, each.detail)
                    for each in refusal.field_errors
                ),
            )
        full = first_full_option(self._left, taken_options(self._questions, answers, guests))
        if full is not None:
            key, value = full
            detail = f"The option {value} is full; choose another one."
            return {}, [], (FieldError(f"line.{line}.answers.{key}", "option_full", detail),)
        return answers, guests, ()

    def take(self, answers: Mapping[str, Any], guests: Sequence[Guest]) -> None:
        for option in taken_options(self._questions, answers, guests):
            self._left[option] -= 1
