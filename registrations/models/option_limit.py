from django.db import models
from django.db.models import F, Q

from events.models import Event


class OptionLimit(models.Model):
    """How often an option of a question with a limit is chosen at one event.

    Confirmed and waitlisted registrations count, each answer once. The row exists from the first
    answer on, or from when the option gets a limit. Writers hold the lock of the event.
    """

    event = models.ForeignKey(Event, models.CASCADE, related_name="option_limits", db_index=False)
    key = models.CharField(max_length=64, help_text="Of the question.")
    value = models.CharField(max_length=100, help_text="Of the option.")
    limit = models.PositiveIntegerField()
    taken = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["event", "key", "value"], name="one_limit_per_option"),
            models.CheckConstraint(condition=Q(taken__lte=F("limit")), name="option_not_overtaken"),
        ]

    def __str__(self) -> str:
        return f"{self.key}={self.value}: {self.taken} of {self.limit}"
