"""Addresses become canonical, and every opt-out is the mailbox's.

The column `notification_preferences` stays for the version that still runs, and gets a default for
this one, which does not know it. A later version drops it.
"""

from django.db import migrations
from django.db.models import TextField
from django.db.models.functions import Cast

from accounts.address_normalization import (
    normalize_accounts,
    normalized,
    opt_out,
    rekey_opt_outs,
    rekey_sign_in_failures,
    uncertain,
    was_delivered_elsewhere,
)

_COLUMN = "ALTER TABLE accounts_user ALTER COLUMN notification_preferences"


def respell(apps, schema_editor):
    changed = normalize_accounts(apps)
    changed |= _respell_pending(apps.get_model("accounts", "User"))
    changed |= _respell_former(apps.get_model("accounts", "FormerAddress"))
    changed |= _respell_notifications(apps.get_model("accounts", "Notification"))
    rekey_opt_outs(apps, changed)
    rekey_sign_in_failures(apps, changed)
    _move_preferences(apps)


def _respell_pending(model):
    changed = {}
    for user in model.objects.exclude(pending_email=""):
        address = normalized(user.pending_email) or ""
        if address != user.pending_email:
            changed[user.pending_email] = address
            model.objects.filter(pk=user.pk).update(pending_email=address)
    return {former: address for former, address in changed.items() if address}


def _respell_former(model):
    changed = {}
    for row in uncertain(model.objects.all()):
        address = normalized(row.email)
        if address is None or was_delivered_elsewhere(row.email):
            row.delete()  # whoever confirmed it may not take the account back
        elif address != row.email:
            changed[row.email] = address
            model.objects.filter(pk=row.pk).update(email=address)
    return changed


def _respell_notifications(model):
    changed = {}
    spellings = uncertain(model.objects.all()).order_by().values_list("email", flat=True).distinct()
    for email in list(spellings):
        address = normalized(email)
        if address is not None and address != email:
            changed[email] = address
    for former, address in changed.items():
        # Not by `email=`, which looks for the canonical spelling.
        rows = model.objects.annotate(spelling=Cast("email", TextField()))
        rows.filter(spelling=former).update(email=address)
    return changed


def _move_preferences(apps):
    users = apps.get_model("accounts", "User").objects.exclude(notification_preferences={})
    for user in users.only("email", "withdrawn_email", "notification_preferences").iterator():
        off = [kind for kind, wanted in user.notification_preferences.items() if wanted is False]
        opt_out(apps, user.email, off)
        if user.withdrawn_email:  # the placeholder's go along to the next address
            opt_out(apps, normalized(user.withdrawn_email) or user.withdrawn_email, off)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0008_mailboxes")]

    operations = [
        migrations.RunPython(respell, migrations.RunPython.noop),
        migrations.SeparateDatabaseAndState(
            [migrations.RunSQL(f"{_COLUMN} SET DEFAULT '{{}}'", f"{_COLUMN} DROP DEFAULT")],
            [migrations.RemoveField("user", "notification_preferences")],
        ),
    ]
