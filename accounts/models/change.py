from django.db import models


class PendingChange(models.Model):
    """A change of an object that is not in the log of changes yet: see `registrations.changes`.

    The SQL function `record_change` inserts rows, in the transaction of the change. Changes of the
    state of a registration are not here, since the ledger has them. `id` is of the sequence of the
    ledger, so that both together have the order in which the changes were made.
    """

    id = models.BigIntegerField(primary_key=True)
    type = models.CharField(max_length=40)
    event_id = models.BigIntegerField(null=True)
    series_id = models.BigIntegerField(null=True)
    kind = models.CharField(max_length=16)
    object_id = models.CharField(max_length=36)
    at = models.DateTimeField()
    actor_id = models.BigIntegerField(null=True)
    key_id = models.BigIntegerField(null=True)

    def __str__(self) -> str:
        return f"{self.type} {self.object_id}"
