"""Names in alphabetical order, and parts of names and places found without accents."""

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import migrations, models
from django.db.models import F

from config.api.sql.concurrent_indexes import BuildIndex, DropIndex
from config.api.text.folding import Folded, alphabetical
from events.models.sample import HalvingsUpTo, IsSampled


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("events", "0022_words_of_every_script")]

    operations = [
        BuildIndex(
            "event",
            models.Index(
                alphabetical("name"),
                F("id"),
                F("start_time"),
                condition=models.Q(deleted_at=None, status="published"),
                name="public_by_alphabet",
            ),
        ),
        BuildIndex(
            "event",
            GinIndex(OpClass(Folded("name"), "gin_trgm_ops"), name="event_name_folded"),
        ),
        BuildIndex(
            "event",
            GinIndex(OpClass(Folded("location"), "gin_trgm_ops"), name="event_location_folded"),
        ),
        BuildIndex(
            "event",
            GinIndex(
                F("search_vector"),
                HalvingsUpTo(),
                OpClass(Folded("name"), "gin_trgm_ops"),
                OpClass(Folded("location"), "gin_trgm_ops"),
                condition=models.Q(IsSampled()),
                gin_pending_list_limit=256,
                name="event_sample_folded",
            ),
        ),
        DropIndex("event", "public_by_name"),
        DropIndex("event", "event_name_part"),
        DropIndex("event", "event_location_part"),
        DropIndex("event", "event_sample_texts"),
    ]
