"""The ids of changes do not repeat after the restore of a backup."""

from importlib import import_module

from django.db import migrations

_PLACE = """
    SELECT concat_ws('/', system_identifier, oid, left(pg_walfile_name(pg_current_wal_lsn()), 8))
"""
# A restore creates the table anew, in the same database too.
_PLACE_WITH_TABLE = """
    SELECT concat_ws(
        '/', system_identifier, oid, left(pg_walfile_name(pg_current_wal_lsn()), 8),
        'registrations_changelog'::regclass::oid
    )
"""

_ERA = """
            era = EXCLUDED.era, database = EXCLUDED.database, next_xid = EXCLUDED.next_xid;
"""
# `log.id` is null if there was no log before.
_ERA_WITH_POSITION = f"""{_ERA}
        -- The former database may have given the next positions to changes after the backup. It has
        -- made less than a change a microsecond, so it has not given those from here on.
        IF log.id IS NOT NULL THEN
            PERFORM setval(positions, greatest(
                nextval(positions), (1000000 * extract(epoch FROM clock_timestamp()))::bigint
            )) FROM pg_get_serial_sequence('registrations_change', 'position') AS positions;
        END IF;
"""

_ADD_TABLE = """
UPDATE registrations_changelog
SET database = database || '/' || 'registrations_changelog'::regclass::oid
"""
_REMOVE_TABLE = (
    "UPDATE registrations_changelog SET database = regexp_replace(database, '/[^/]*$', '')"
)


def _former() -> str:
    admission = import_module("registrations.migrations.0014_admission")
    return str(admission._function(admission._MORE_KINDS))


def _function() -> str:
    return _former().replace(_PLACE, _PLACE_WITH_TABLE).replace(_ERA, _ERA_WITH_POSITION)


class Migration(migrations.Migration):
    dependencies = [("registrations", "0019_messages_to_all")]

    operations = [
        migrations.RunSQL(_function(), _former()),
        migrations.RunSQL(_ADD_TABLE, _REMOVE_TABLE),
    ]
