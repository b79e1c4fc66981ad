from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from events.models import Event


class FeedbackQuerySet(models.QuerySet["Feedback"]):
    def not_hidden(self) -> "FeedbackQuerySet":
        """Not hidden by staff."""
        return self.filter(hidden_at=None)

    def visible_to(
        self, user: "User | AnonymousUser", *, is_opened: bool = False
    ) -> "FeedbackQuerySet":
        """Feedback on visible events that is not hidden, and the user's own.

        `is_opened` is that of `EventQuerySet.visible_to`.
        """
        visible = Q(hidden_at=None)
        if user.is_authenticated:
            visible |= Q(author=user)
        return self.filter(visible, event__in=Event.objects.visible_to(user, is_opened=is_opened))

    def for_display(self) -> "FeedbackQuerySet":
        """With the related rows that `FeedbackOut` renders, in one query."""
        return self.select_related("author")


class Feedback(models.Model):
    """An attendee's rating of an event, with a comment.

    A trigger updates `average_rating` and `feedback_count` of the event from the feedback that is
    not hidden.
    """

    event = models.ForeignKey(Event, models.PROTECT, related_name="feedback", db_index=False)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="feedback")
    rating = models.PositiveSmallIntegerField(help_text="1 to 5, the best.")
    comment = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    hidden_at = models.DateTimeField(null=True, blank=True)
    hidden_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    hidden_reason = models.CharField(max_length=500, blank=True, help_text="For staff.")

    objects = FeedbackQuerySet.as_manager()

    audited_fields = ("hidden_at", "hidden_by", "hidden_reason")  # the fields that staff change

    class Meta:
        verbose_name_plural = "feedback"
        constraints = [
            models.UniqueConstraint(fields=["event", "author"], name="one_feedback_per_account"),
            models.CheckConstraint(
                condition=Q(rating__gte=1, rating__lte=5), name="feedback_rating_1_to_5"
            ),
            models.CheckConstraint(
                condition=Q(hidden_at=None, hidden_reason="")
                | (Q(hidden_at__isnull=False) & ~Q(hidden_reason="")),
                name="hidden_feedback_has_its_reason",
            ),
        ]
        indexes = [
            # Includes the rating, so that the average needs an index-only scan.
            models.Index(
                fields=["event", "created_at", "id"],
                include=["rating"],
                condition=Q(hidden_at=None),
                name="shown_feedback",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rating} of 5 for {self.event}"
