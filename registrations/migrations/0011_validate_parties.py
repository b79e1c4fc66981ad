"""Validates the constraint on parties and builds an index, neither of which blocks writers."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations, models

from config.api.sql.concurrent_indexes import BuildIndex


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("registrations", "0010_parties")]

    operations = [
        ValidateConstraint("registration", "party_has_its_people"),
        BuildIndex(
            model_name="ledgerentry",
            index=models.Index(
                condition=models.Q(people__gt=1)
                | models.Q(kind__in=["party_grown", "party_shrunk"]),
                fields=["event"],
                name="ledger_parties",
            ),
        ),
    ]
