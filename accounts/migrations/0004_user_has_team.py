from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_api_keys"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="has_team",
            field=models.BooleanField(
                db_default=False,
                default=False,
                editable=False,
                help_text="Has or had a role on events of others. Rights are read for such accounts.",
            ),
        ),
    ]
