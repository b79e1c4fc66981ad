"""A function that finds the extension in whatever schema it is."""

from importlib import import_module

from django.db import migrations

FORMER = import_module("registrations.migrations.0011_search_of_attendees").FUNCTIONS


class Migration(migrations.Migration):
    dependencies = [("registrations", "0014_indexes_of_foreign_keys")]

    operations = [
        migrations.RunSQL(FORMER.replace("public.unaccent", "unaccent"), migrations.RunSQL.noop)
    ]
