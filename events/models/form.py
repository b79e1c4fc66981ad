from typing import Any

from django.db import models
from django.utils.timezone import now


class Form(models.Model):
    """One version of the questions that an event asks those who register. It never changes.

    The events of a series share the version of the series, and a copy of an event that of the
    original. A new version of one leaves the others as they are.
    """

    version = models.PositiveIntegerField(help_text="Counts the versions, from 1.")
    questions: "models.JSONField[list[dict[str, Any]], list[dict[str, Any]]]" = models.JSONField()
    # Forms are never deleted.
    previous = models.ForeignKey(
        "self",
        models.DO_NOTHING,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        help_text="The version before.",
    )
    created_at = models.DateTimeField(default=now)

    def __str__(self) -> str:
        return f"Version {self.version}: {len(self.questions)} questions"
