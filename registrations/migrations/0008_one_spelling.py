"""Addresses of registrations become canonical.

Two live registrations of one mailbox at one event stay two: the earlier one gets the canonical
spelling, the other keeps its own, and `check_integrity` reports it.
"""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations

from accounts.address_normalization import normalized, rekey_opt_outs, uncertain


def respell(apps, schema_editor):
    registrations = apps.get_model("registrations", "Registration").objects
    changed = {}
    for row in uncertain(registrations.all()).order_by("registered_at", "pk"):
        address = normalized(row.email)
        if address is None or address == row.email:
            continue
        changed[row.email] = address
        same = registrations.filter(event=row.event_id, email=address).exclude(status="cancelled")
        if row.status == "cancelled" or not same.exists():
            registrations.filter(pk=row.pk).update(email=address)
    rekey_opt_outs(apps, changed)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0009_one_spelling"),
        ("registrations", "0007_mailboxes"),
    ]

    operations = [
        migrations.RunPython(respell, migrations.RunPython.noop),
        ValidateConstraint("registration", "registration_email_lower_case"),
    ]
