from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0013_help_texts")]

    operations = [
        migrations.AddField(
            model_name="notification",
            name="request_id",
            field=models.CharField(
                blank=True,
                db_default="",
                help_text="Of the request or job that caused it. Its log lines have it as well.",
                max_length=128,
            ),
        ),
    ]
