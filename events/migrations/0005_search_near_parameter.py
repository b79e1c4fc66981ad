"""`search_near` takes its threshold from the connection.

A function with a parameter of an extension cannot be restored by an ordinary role into a database
that already has the extension: nothing has loaded its library there.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("events", "0004_first_categories")]

    operations = [
        migrations.RunSQL(
            "ALTER FUNCTION search_near(text) RESET ALL",
            "ALTER FUNCTION search_near(text) SET pg_trgm.similarity_threshold = 0.2",
        )
    ]
