"""Rename erased accounts to `erased:<id>`, which no validator of usernames accepts."""

from django.db import migrations
from django.db.models import TextField, Value
from django.db.models.functions import Cast, Concat


def rename(apps, schema_editor):
    erased = apps.get_model("accounts", "User").objects.exclude(erased_at=None)
    erased.update(username=Concat(Value("erased:"), Cast("pk", TextField())))


class Migration(migrations.Migration):
    dependencies = [("accounts", "0011_address_versions")]

    operations = [migrations.RunPython(rename, migrations.RunPython.noop)]
