from typing import Any

from django.db import models
from django.db.models.functions import Now

from events.models import Event, Form


class AnswerTally(models.Model):
    """How often the questions of one event are answered, and their options chosen.

    It holds for the version `form` of the event's form, together with the `UncountedAnswers` of
    the event. `figures` is a document of `registrations.statistics.tallies`.
    """

    event = models.OneToOneField(
        Event, models.CASCADE, primary_key=True, related_name="answer_tally"
    )
    # Forms are never deleted.
    form = models.ForeignKey(
        Form, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    figures: "models.JSONField[dict[str, Any], dict[str, Any]]" = models.JSONField()

    class Meta:
        verbose_name_plural = "answer tallies"

    def __str__(self) -> str:
        return f"Answers to form {self.form_id} of event {self.event_id}"


class UncountedAnswers(models.Model):
    """Answers of one person that the `AnswerTally` of the event does not have yet.

    Triggers on registrations insert the rows, and nothing changes them. `people` is 1 for answers
    that were given, and -1 for those that no longer count: they were changed, or the registration
    was cancelled. `responses` is the same for one person of each registration, and 0 for others. A
    row with 0 in both has no answers: the form of the event has changed.

    Values that are not counted, such as texts, are not stored: `answers` has true for them.
    """

    event_id = models.BigIntegerField(db_index=True)
    people = models.SmallIntegerField()
    responses = models.SmallIntegerField()
    answers: "models.JSONField[dict[str, Any], dict[str, Any]]" = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "uncounted answers"

    def __str__(self) -> str:
        return f"{self.people:+d} at event {self.event_id}"
