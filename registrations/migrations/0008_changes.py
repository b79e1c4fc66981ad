"""The log of changes: see `registrations.changes`."""

from django.db import migrations, models

# Entries of the ledger from before this version have no transaction, and are not in the log.
LEDGER = """
ALTER TABLE registrations_ledgerentry ADD COLUMN xid xid8;
ALTER TABLE registrations_ledgerentry ALTER COLUMN xid SET DEFAULT pg_current_xact_id();
"""

SEQUENCE = """
ALTER TABLE registrations_changelog ADD COLUMN next_xid xid8 NOT NULL DEFAULT '0';

CREATE FUNCTION sequence_changes() RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    log registrations_changelog%ROWTYPE;
    seen pg_snapshot;
    bound xid8;
    here text;
    is_new boolean := false;
    known_to bigint;
BEGIN
    -- One at a time, so that positions are committed in their order.
    IF NOT pg_try_advisory_xact_lock(1667786087) THEN
        RETURN;
    END IF;
    -- All transactions of this database before the bound have ended. Each statement below has a later
    -- snapshot, so it sees all of their rows. A transaction holds a lock on its own number, which
    -- tells those of other databases. One without the lock has just begun, and counts.
    seen := pg_current_snapshot();
    SELECT running INTO bound
    FROM pg_snapshot_xip(seen) AS running
    WHERE NOT EXISTS (
        SELECT FROM pg_locks AS held JOIN pg_stat_activity AS activity ON activity.pid = held.pid
        WHERE held.locktype = 'transactionid' AND held.mode = 'ExclusiveLock' AND held.granted
            AND held.transactionid = running::xid
            AND activity.datname <> current_database()
    )
    ORDER BY running LIMIT 1;
    bound := least(coalesce(bound, pg_snapshot_xmax(seen)), pg_current_xact_id_if_assigned());
    SELECT * INTO log FROM registrations_changelog WHERE id = 1;
    IF log.next_xid = bound THEN
        RETURN;
    END IF;
    -- A recovery to a point in time begins another timeline, the start of the name of a WAL file.
    SELECT concat_ws('/', system_identifier, oid, left(pg_walfile_name(pg_current_wal_lsn()), 8))
    INTO here FROM pg_control_system(), pg_database WHERE datname = current_database();
    IF log.database IS DISTINCT FROM here THEN
        -- A backup was restored here. Its numbers of transactions are those of another cluster.
        is_new := true;
        -- Entries of the backup that were in the log stay out of it, even if they were deleted from
        -- it since. The bound of the other cluster tells them from those that were not. Entries
        -- that were made here since have later ids than all of them.
        SELECT coalesce(
            max(source_id), CASE WHEN log.expired_to > 0 THEN 9223372036854775807 ELSE 0 END
        ) INTO known_to FROM registrations_change;
        INSERT INTO registrations_changelog (id, era, database, next_xid)
        VALUES (1, gen_random_uuid(), here, bound)
        ON CONFLICT (id) DO UPDATE SET
            era = EXCLUDED.era, database = EXCLUDED.database, next_xid = EXCLUDED.next_xid;
    ELSE
        UPDATE registrations_changelog SET next_xid = bound WHERE id = 1;
    END IF;
    -- The order of an event is that of the sequence, since each change holds its lock. A transaction
    -- that began early may have made a later change than one that began after the bound. So earlier
    -- changes of the same event or series come along.
    WITH due AS (
        SELECT event_id, series_id, max(id) AS id
        FROM (
            SELECT id, event_id, series_id FROM accounts_pendingchange
            WHERE is_new OR xid < bound
            UNION ALL
            SELECT id, event_id, NULL FROM registrations_ledgerentry
            WHERE xid >= log.next_xid AND xid < bound
        ) AS changes
        GROUP BY event_id, series_id
    ), pending AS (
        DELETE FROM accounts_pendingchange AS change
        WHERE is_new OR xid < bound OR EXISTS (
            SELECT FROM due
            WHERE due.id > change.id AND due.event_id IS NOT DISTINCT FROM change.event_id
                AND due.series_id IS NOT DISTINCT FROM change.series_id
        )
        RETURNING *
    ), found AS (
        SELECT id, type, event_id, series_id, kind, object_id, at, actor_id, key_id, NULL AS reason
        FROM pending
        UNION ALL
        SELECT
            id,
            'registration.' || CASE
                WHEN kind = 'registered' THEN 'confirmed'
                WHEN kind = 'queued' THEN 'waitlisted'
                WHEN kind IN (
                    'promoted', 'pending', 'rejected', 'cancelled', 'checked_in', 'check_in_undone'
                ) THEN kind
                ELSE 'updated'
            END,
            event_id, NULL, 'registration', registration_id::text, at, actor_id, key_id, reason
        FROM registrations_ledgerentry
        WHERE CASE
            WHEN is_new THEN xid >= log.next_xid OR (xid IS NOT NULL AND id > known_to)
            ELSE xid >= log.next_xid AND (xid < bound OR EXISTS (
                SELECT FROM due WHERE due.event_id = registrations_ledgerentry.event_id
                    AND due.id > registrations_ledgerentry.id
            ))
        END
    )
    INSERT INTO registrations_change (
        source_id, type, event_id, series_id, kind, object_id, at,
        actor_kind, actor_id, on_behalf_of, reason
    )
    SELECT
        found.id, type, event_id, series_id, kind, object_id, at,
        CASE
            WHEN reason IN ('place_freed', 'event_edited') THEN 'system'
            WHEN key_id IS NOT NULL THEN 'key'
            WHEN reason = 'by_staff' THEN 'staff'
            WHEN actor_id IS NOT NULL AND is_staff AND reason IS NULL
                AND actor_id IS DISTINCT FROM organizer_id THEN 'staff'
            WHEN actor_id IS NOT NULL THEN 'user'
            WHEN reason = 'by_guest' OR type = 'registration.updated' THEN 'guest'
            ELSE 'system'
        END,
        CASE
            WHEN reason IN ('place_freed', 'event_edited') THEN NULL
            ELSE coalesce(key_id, actor_id)
        END,
        CASE WHEN key_id IS NOT NULL THEN actor_id END,
        reason
    FROM found
    LEFT JOIN accounts_user ON accounts_user.id = actor_id
    LEFT JOIN LATERAL (
        SELECT organizer_id FROM events_event WHERE events_event.id = found.event_id
        UNION ALL
        SELECT organizer_id FROM events_series WHERE events_series.id = found.series_id
    ) AS owner ON true
    ORDER BY found.id
    ON CONFLICT (source_id) DO NOTHING;
END
$$;

COMMENT ON FUNCTION sequence_changes IS 'Moves the committed changes into the log.';
"""

TRIGGERS = """
CREATE FUNCTION registration_record_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM record_change(
        CASE WHEN NEW.email LIKE '%@invalid' THEN 'registration.erased'
            ELSE 'registration.updated' END,
        NEW.event_id, NULL, 'registration', NEW.id::text, NULL
    );
    RETURN NULL;
END
$$;

-- The ledger has the other changes.
CREATE TRIGGER registration_record_change
AFTER UPDATE OF name ON registrations_registration
FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name)
EXECUTE FUNCTION registration_record_change();

CREATE FUNCTION feedback_record_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
    row registrations_feedback := coalesce(NEW, OLD);
    type text := 'updated';
    actor bigint := row.author_id;
BEGIN
    IF TG_OP = 'INSERT' THEN
        type := 'created';
    ELSIF TG_OP = 'DELETE' THEN
        type := 'removed';
    ELSIF NEW.hidden_at IS NOT NULL AND OLD.hidden_at IS NULL THEN
        type := 'removed';
        actor := NEW.hidden_by_id;
    END IF;
    PERFORM record_change(
        'feedback.' || type, row.event_id, NULL, 'feedback', row.id::text, actor
    );
    RETURN NULL;
END
$$;

CREATE TRIGGER feedback_record_change
AFTER INSERT OR DELETE ON registrations_feedback
FOR EACH ROW EXECUTE FUNCTION feedback_record_change();

CREATE TRIGGER feedback_record_edit
AFTER UPDATE ON registrations_feedback
FOR EACH ROW WHEN (
    (OLD.rating, OLD.comment, OLD.hidden_at)
    IS DISTINCT FROM (NEW.rating, NEW.comment, NEW.hidden_at)
)
EXECUTE FUNCTION feedback_record_change();

CREATE FUNCTION message_record_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM record_change(
        'message.sent', NEW.event_id, NULL, 'message', NEW.id::text, NEW.author_id
    );
    RETURN NULL;
END
$$;

CREATE TRIGGER message_record_change
AFTER INSERT ON registrations_message
FOR EACH ROW EXECUTE FUNCTION message_record_change();
"""

DROP = """
DROP TRIGGER message_record_change ON registrations_message;
DROP TRIGGER feedback_record_edit ON registrations_feedback;
DROP TRIGGER feedback_record_change ON registrations_feedback;
DROP TRIGGER registration_record_change ON registrations_registration;
DROP FUNCTION message_record_change, feedback_record_change, registration_record_change;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_pending_changes"),
        ("registrations", "0007_statistics_indexes"),
    ]

    operations = [
        migrations.CreateModel(
            name="Change",
            fields=[
                ("position", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "source_id",
                    models.BigIntegerField(
                        help_text="Of the ledger or the pending changes, which share a sequence.",
                        unique=True,
                    ),
                ),
                ("type", models.CharField(max_length=40)),
                ("event_id", models.BigIntegerField(null=True)),
                ("series_id", models.BigIntegerField(null=True)),
                ("kind", models.CharField(max_length=16)),
                ("object_id", models.CharField(max_length=36)),
                ("at", models.DateTimeField()),
                ("actor_kind", models.CharField(max_length=8)),
                ("actor_id", models.BigIntegerField(null=True)),
                ("on_behalf_of", models.BigIntegerField(null=True)),
                ("reason", models.CharField(max_length=16, null=True)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("event_id__isnull", False)),
                        fields=["event_id", "position"],
                        name="changes_of_event",
                    ),
                    models.Index(
                        condition=models.Q(("series_id__isnull", False)),
                        fields=["series_id", "position"],
                        name="changes_of_series",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ChangeLog",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("era", models.UUIDField()),
                (
                    "database",
                    models.TextField(
                        help_text="The cluster and the database in which the log grows."
                    ),
                ),
                (
                    "expired_to",
                    models.BigIntegerField(
                        db_default=0, default=0, help_text="The last position that was deleted."
                    ),
                ),
            ],
        ),
        migrations.RunSQL(LEDGER, "ALTER TABLE registrations_ledgerentry DROP COLUMN xid"),
        migrations.RunSQL(SEQUENCE, "DROP FUNCTION sequence_changes"),
        migrations.RunSQL(TRIGGERS, DROP),
    ]
