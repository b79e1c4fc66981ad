import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0012_erased_names")]

    operations = [
        migrations.AddField(
            model_name="mailboxbudget",
            name="shares",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.TextField(),
                db_default=[],
                default=list,
                help_text="The share that each mail was taken from, in the order of `sent_at`.",
                size=None,
            ),
        ),
    ]
