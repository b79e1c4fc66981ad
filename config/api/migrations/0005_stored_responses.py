from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("api", "0004_bounded_answers")]

    operations = [
        migrations.RenameModel("KeptAnswer", "StoredResponse"),
        migrations.RenameIndex(
            "storedresponse", old_name="kept_by_caller", new_name="stored_by_caller"
        ),
        migrations.RenameIndex(
            "storedresponse", old_name="kept_by_mention", new_name="stored_by_mention"
        ),
        migrations.AlterModelOptions("storedresponse", {"verbose_name": "stored response"}),
    ]
