"""The index by which `sequence_changes` finds entries of the ledger."""

from django.db import migrations

BUILD = [
    "SET lock_timeout = 0",  # a concurrent build waits for all earlier transactions
    "DROP INDEX CONCURRENTLY IF EXISTS ledger_by_transaction",  # of an interrupted build
    """
    CREATE INDEX CONCURRENTLY ledger_by_transaction ON registrations_ledgerentry (xid)
    WHERE xid IS NOT NULL
    """,
    "RESET lock_timeout",
]


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("registrations", "0008_changes")]

    operations = [
        migrations.RunSQL(
            BUILD, "DROP INDEX CONCURRENTLY IF EXISTS ledger_by_transaction", elidable=False
        )
    ]
