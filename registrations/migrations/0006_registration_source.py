from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("registrations", "0005_ledger_key")]

    operations = [
        migrations.AddField(
            model_name="registration",
            name="source",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Where the person came from, such as a newsletter, for the statistics.",
                max_length=64,
            ),
        ),
    ]
