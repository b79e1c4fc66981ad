"""The log of changes that other programs read."""

from django.db import models

_REGISTRATION = (
    "confirmed", "waitlisted", "promoted", "pending", "rejected", "cancelled", "updated",
    "checked_in", "check_in_undone", "erased",
)  # fmt: skip
_EVENT = ("created", "updated", "published", "cancelled", "deleted", "restored")
_OF_KIND = {
    "event": _EVENT,
    "series": ("created", "updated", "deleted"),
    "registration": _REGISTRATION,
    "feedback": ("created", "updated", "removed"),
    "message": ("sent",),
    "team": ("changed",),
    "form": ("changed",),
}
# The list is closed for each version.
CHANGE_TYPES = tuple(f"{kind}.{verb}" for kind, verbs in _OF_KIND.items() for verb in verbs)

# Their `at` is that of the scan, which a phone without a connection sends hours later, or with a
# clock that is wrong. So it says nothing about when the change was put into the log.
TYPES_OF_SCANS = ("registration.checked_in", "registration.check_in_undone")


class Change(models.Model):
    """An entry of the log of changes. The SQL function `sequence_changes` inserts them.

    `position` is the order of the log. It is given after the commit of the change, so it has no
    gaps that a later commit could fill. Within an event it is the order of the changes' effect.
    """

    position = models.BigAutoField(primary_key=True)
    source_id = models.BigIntegerField(
        unique=True, help_text="Of the ledger or the pending changes, which share a sequence."
    )
    type = models.CharField(max_length=40)
    event_id = models.BigIntegerField(null=True)
    series_id = models.BigIntegerField(null=True)
    kind = models.CharField(max_length=16)
    object_id = models.CharField(max_length=36)
    at = models.DateTimeField()
    actor_kind = models.CharField(max_length=8)
    actor_id = models.BigIntegerField(null=True)
    on_behalf_of = models.BigIntegerField(null=True)
    reason = models.CharField(max_length=16, null=True)  # noqa: DJ001  # null in responses too

    class Meta:
        indexes = [
            models.Index(
                fields=["event_id", "position"],
                condition=models.Q(event_id__isnull=False),
                name="changes_of_event",
            ),
            models.Index(
                fields=["series_id", "position"],
                condition=models.Q(series_id__isnull=False),
                name="changes_of_series",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.object_id}"


class ChangeLog(models.Model):
    """The state of the log: one row.

    `era` is a new one after the restore of a backup, since the log then continues differently. Its
    positions begin with the time in microseconds, so that they do not repeat.
    """

    era = models.UUIDField()
    database = models.TextField(help_text="The cluster and the database in which the log grows.")
    expired_to = models.BigIntegerField(
        default=0, db_default=0, help_text="The last position that was deleted."
    )

    def __str__(self) -> str:
        return f"era {self.era}"
