"""Indexes of the sample that facets are counted from, in which its halves are found too.

The ones before had only words or only the rest to begin with: of a common word each sampled event
was read, and of a rare category the whole index. A million events took 2 s and 28 MB for the new
ones, which take the place of 19 MB.
"""

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import migrations, models
from django.db.models import F
from django.db.models.functions import Upper

from config.api.sql.concurrent_indexes import BuildIndex, DropIndex
from events.models.sample import Halvings, HalvingsUpTo, IsSampled


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("events", "0014_words_by_index")]

    operations = [
        BuildIndex(
            "event",
            models.Index(
                F("status"),
                F("category"),
                Halvings(),
                F("start_time"),
                include=[
                    "id",
                    "end_time",
                    "deleted_at",
                    "is_available",
                    "organizer",
                    "series",
                    "latitude",
                    "longitude",
                    "location",
                    "name",
                ],
                condition=models.Q(IsSampled()),
                name="event_sample_facts",
            ),
        ),
        BuildIndex(
            "event",
            GinIndex(
                F("search_vector"),
                HalvingsUpTo(),
                OpClass(Upper("name"), "gin_trgm_ops"),
                OpClass(Upper("location"), "gin_trgm_ops"),
                condition=models.Q(IsSampled()),
                gin_pending_list_limit=256,
                name="event_sample_texts",
            ),
        ),
        DropIndex("event", "event_sample"),
        DropIndex("event", "event_sample_search"),
    ]
