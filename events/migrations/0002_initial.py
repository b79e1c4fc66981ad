"""Events, series, categories and the vocabulary of search."""

import config.api.text.folding
import datetime
import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.constraints
import django.db.models.deletion
import django.db.models.functions.comparison
import django.utils.timezone
import events.models.base
import events.models.expressions
import events.models.local_time
import events.models.sample
import events.models.search_word
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('events', '0001_functions'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Category',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('slug', models.SlugField(unique=True)),
                ('name', models.CharField(max_length=100)),
            ],
            options={
                'verbose_name_plural': 'categories',
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='SearchWord',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('word', models.TextField(db_collation='C')),
                ('in_names', models.PositiveIntegerField(db_default=0, default=0)),
                ('in_headings', models.PositiveIntegerField(db_default=0, default=0, help_text='Events with the word in name, category or location.')),
                ('in_texts', models.PositiveIntegerField(help_text='Events with the word anywhere. Null: not counted yet.', null=True)),
                ('brought_by', models.BigIntegerField(help_text='The first organizer with the word. Null: unknown.', null=True)),
                ('corrects', models.BooleanField(db_default=False, default=False, help_text='Whether it corrects misspelt words.')),
            ],
            options={
                'indexes': [models.Index(fields=['word'], name='search_word'), models.Index(condition=models.Q(('corrects', True), ('in_texts', None)), fields=['brought_by'], name='search_word_new'), django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass('word', 'gin_trgm_ops'), condition=models.Q(('corrects', True)), gin_pending_list_limit=64, name='search_word_corrections')],
            },
        ),
        migrations.CreateModel(
            name='Series',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=200)),
                ('description', models.TextField(blank=True)),
                ('location', models.CharField(max_length=255)),
                ('latitude', models.FloatField(blank=True, help_text='Degrees north (WGS 84).', null=True)),
                ('longitude', models.FloatField(blank=True, help_text='Degrees east.', null=True)),
                ('start_time', models.DateTimeField()),
                ('end_time', models.DateTimeField()),
                ('timezone', models.CharField(default='UTC', help_text='IANA name.', max_length=64)),
                ('meeting_url', models.URLField(blank=True, max_length=500)),
                ('attendance_mode', models.CharField(choices=[('in_person', 'In Person'), ('online', 'Online'), ('hybrid', 'Hybrid')], db_default='in_person', default='in_person', max_length=16)),
                ('is_attendance_mode_set', models.BooleanField(db_default=False, default=False, editable=False, help_text='The mode was chosen. Edits do not derive it from location and link.')),
                ('reminder_hours', django.contrib.postgres.fields.ArrayField(base_field=models.PositiveSmallIntegerField(), default=events.models.base.default_reminder_hours, size=None)),
                ('max_capacity', models.PositiveIntegerField(blank=True, help_text='Empty: no limit.', null=True)),
                ('waitlist_enabled', models.BooleanField(default=False)),
                ('registration_opens_at', models.DateTimeField(blank=True, null=True)),
                ('registration_closes_at', models.DateTimeField(blank=True, help_text='Empty: at the start.', null=True)),
                ('cancellation_closes_at', models.DateTimeField(blank=True, help_text='The latest time for cancellations. Empty: the start.', null=True)),
                ('status', models.CharField(choices=[('draft', 'Draft'), ('published', 'Published')], default='published', max_length=16)),
                ('rule', models.TextField(help_text='RFC 5545 RRULE, as rendered.')),
                ('excluded', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=32), blank=True, default=list, help_text='Excluded nominal days, and instants in UTC (RFC 5545 EXDATE).', size=None)),
                ('rule_timezone', models.CharField(help_text='The zone of the rule: `timezone`, unless that alone was changed later.', max_length=64)),
                ('written_rule', models.TextField(editable=False, help_text='The rule before its moves.')),
                ('written_start', events.models.local_time.LocalDateTimeField(editable=False, help_text='The wall-clock start of the written rule.')),
                ('written_timezone', models.CharField(editable=False, max_length=64)),
                ('moved_by', models.DurationField(default=datetime.timedelta, editable=False, help_text='The sum of the moves of the written rule, on the clock.')),
                ('clock_offsets', models.JSONField(default=dict, editable=False, help_text="Seconds on the clock from an occurrence's start to its other times.")),
                ('rule_number', models.PositiveIntegerField(default=0, editable=False, help_text='The number of the current rule.')),
                ('former_rules', models.JSONField(default=dict, editable=False, help_text='Zone and clock offsets of former rules with coming occurrences, by number.')),
                ('filled_to', models.DateTimeField(editable=False, help_text='Occurrences exist up to this time. Empty if the rule has an end.', null=True)),
                ('edited_since_import', models.BooleanField(db_default=False, default=False, editable=False, help_text='Edited by hand: later versions of its calendar skip it.')),
                ('version', models.PositiveIntegerField(default=1, editable=False)),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('category', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='events.category')),
                ('organizer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='organized_series', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name_plural': 'series',
            },
        ),
        migrations.CreateModel(
            name='Event',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=200)),
                ('description', models.TextField(blank=True)),
                ('location', models.CharField(max_length=255)),
                ('latitude', models.FloatField(blank=True, help_text='Degrees north (WGS 84).', null=True)),
                ('longitude', models.FloatField(blank=True, help_text='Degrees east.', null=True)),
                ('start_time', models.DateTimeField()),
                ('end_time', models.DateTimeField()),
                ('timezone', models.CharField(default='UTC', help_text='IANA name.', max_length=64)),
                ('meeting_url', models.URLField(blank=True, max_length=500)),
                ('attendance_mode', models.CharField(choices=[('in_person', 'In Person'), ('online', 'Online'), ('hybrid', 'Hybrid')], db_default='in_person', default='in_person', max_length=16)),
                ('is_attendance_mode_set', models.BooleanField(db_default=False, default=False, editable=False, help_text='The mode was chosen. Edits do not derive it from location and link.')),
                ('reminder_hours', django.contrib.postgres.fields.ArrayField(base_field=models.PositiveSmallIntegerField(), default=events.models.base.default_reminder_hours, size=None)),
                ('max_capacity', models.PositiveIntegerField(blank=True, help_text='Empty: no limit.', null=True)),
                ('waitlist_enabled', models.BooleanField(default=False)),
                ('registration_opens_at', models.DateTimeField(blank=True, null=True)),
                ('registration_closes_at', models.DateTimeField(blank=True, help_text='Empty: at the start.', null=True)),
                ('cancellation_closes_at', models.DateTimeField(blank=True, help_text='The latest time for cancellations. Empty: the start.', null=True)),
                ('status', models.CharField(choices=[('draft', 'Draft'), ('published', 'Published'), ('cancelled', 'Cancelled')], default='published', max_length=16)),
                ('ends_by_default', models.BooleanField(db_default=False, default=False, editable=False, help_text='The end is the default one: an hour after the start.')),
                ('next_reminder_at', models.DateTimeField(editable=False, help_text='The next due reminder. A trigger maintains it.', null=True)),
                ('feedback_asked_at', models.DateTimeField(editable=False, help_text='The time of the invitation to give feedback.', null=True)),
                ('registered_count', models.PositiveIntegerField(default=0, editable=False)),
                ('waitlist_count', models.PositiveIntegerField(default=0, editable=False)),
                ('last_queue_number', models.PositiveBigIntegerField(default=0, editable=False, help_text='The highest queue number that was assigned.')),
                ('is_available', models.GeneratedField(db_persist=True, expression=models.ExpressionWrapper(models.Q(('waitlist_count', 0), models.Q(('max_capacity', None), ('registered_count__lt', models.F('max_capacity')), _connector='OR')), output_field=models.BooleanField()), help_text='Whether a new registration gets a seat. An index on the counters would be updated by every registration.', output_field=models.BooleanField())),
                ('average_rating', models.DecimalField(blank=True, decimal_places=2, editable=False, max_digits=3, null=True)),
                ('feedback_count', models.PositiveIntegerField(default=0, editable=False)),
                ('nominal_start', events.models.local_time.LocalDateTimeField(editable=False, help_text='The wall-clock time by the rule of its series, before gaps of the clocks and edits by hand. It identifies the occurrence. Empty if the rule no longer has it.', null=True)),
                ('rule_number', models.PositiveIntegerField(default=0, editable=False, help_text='The number of its rule in the series. An edit of times starts another rule.')),
                ('edited_by_hand', models.BooleanField(default=False, editable=False, help_text='Edited by hand: edits of the series skip it.')),
                ('version', models.PositiveIntegerField(default=1, editable=False, help_text='Increases with every edit, not with registrations.')),
                ('sequence', models.PositiveIntegerField(default=0, editable=False, help_text='RFC 5545 SEQUENCE: increases with changes of time, location or status.')),
                ('import_key', models.CharField(blank=True, editable=False, help_text='Identifies its row in the imported file.', max_length=64, null=True)),
                ('import_sequence', models.PositiveIntegerField(editable=False, help_text='SEQUENCE of the imported calendar entry.', null=True)),
                ('edited_since_import', models.BooleanField(db_default=False, default=False, editable=False, help_text='Edited by hand: later versions of its calendar skip it.')),
                ('cancellation_reason', models.CharField(blank=True, max_length=500)),
                ('cancelled_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('search_vector', django.contrib.postgres.search.SearchVectorField(editable=False, null=True)),
                ('category', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='events', to='events.category')),
                ('organizer', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='organized_events', to=settings.AUTH_USER_MODEL)),
                ('series', models.ForeignKey(blank=True, db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='events', to='events.series')),
            ],
        ),
        migrations.AddIndex(
            model_name='series',
            index=models.Index(condition=models.Q(('deleted_at', None)), fields=['filled_to', 'id'], name='series_to_fill'),
        ),
        migrations.AddIndex(
            model_name='series',
            index=models.Index(condition=models.Q(('deleted_at', None)), fields=['created_at', 'id'], name='series_by_creation'),
        ),
        migrations.AddConstraint(
            model_name='series',
            constraint=models.CheckConstraint(condition=models.Q(('max_capacity', None), ('max_capacity__gte', 1), _connector='OR'), name='series_capacity_positive'),
        ),
        migrations.AddConstraint(
            model_name='series',
            constraint=models.CheckConstraint(condition=models.Q(('end_time__gt', models.F('start_time'))), name='series_ends_after_start'),
        ),
        migrations.AddConstraint(
            model_name='series',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('latitude__isnull', False), ('longitude__isnull', False), ('latitude__range', (-90, 90)), ('longitude__range', (-180, 180))), models.Q(('latitude__isnull', True), ('longitude__isnull', True)), _connector='OR'), name='series_on_earth'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('deleted_at', None), ('status', 'published')), fields=['start_time', 'id'], name='public_by_start'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('deleted_at', None), ('status', 'published')), fields=['created_at', 'id', 'start_time'], name='public_by_creation'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(django.db.models.functions.comparison.Collate(config.api.text.folding.AlphabetKey('name'), 'C'), models.F('id'), models.F('start_time'), condition=models.Q(('deleted_at', None), ('status', 'published')), name='public_by_alphabet'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('deleted_at', None), ('status', 'published')), fields=['is_available', 'start_time', 'id'], name='public_by_seats'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('deleted_at', None), ('status', 'published')), fields=['attendance_mode', 'start_time', 'id'], name='public_by_attendance'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('deleted_at', None), models.Q(('status', 'published'), _negated=True)), fields=['status', 'start_time', 'id'], name='others_by_status'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('deleted_at', None), ('status', 'published')), fields=['category'], name='public_by_category'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('deleted_at', None)), fields=['start_time'], name='by_start'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=django.contrib.postgres.indexes.GistIndex(events.models.expressions.Span('start_time', 'end_time'), condition=models.Q(('deleted_at', None)), name='by_span'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=django.contrib.postgres.indexes.GistIndex(events.models.expressions.Point('latitude', 'longitude'), condition=models.Q(('deleted_at', None), ('status', 'published'), ('latitude__isnull', False)), name='public_by_place'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(fields=['category', 'start_time', 'id'], name='by_category_and_start'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(fields=['organizer', 'start_time', 'id'], name='by_organizer_and_start'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('next_reminder_at__isnull', False)), fields=['next_reminder_at'], name='reminders_due'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('deleted_at', None), ('status', 'published'), ('feedback_asked_at', None)), fields=['end_time'], name='feedback_not_asked'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('series__isnull', False)), fields=['series', 'start_time', 'id'], name='by_series_and_start'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=django.contrib.postgres.indexes.GinIndex(fields=['search_vector'], gin_pending_list_limit=256, name='event_search'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=django.contrib.postgres.indexes.GinIndex(events.models.search_word.HeadingWords('search_vector'), gin_pending_list_limit=256, name='event_heading_search'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=django.contrib.postgres.indexes.GinIndex(events.models.search_word.NameWords('search_vector'), gin_pending_list_limit=256, name='event_name_search'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=django.contrib.postgres.indexes.GinIndex(events.models.search_word.NamesByWeek('search_vector', 'start_time'), condition=models.Q(('deleted_at', None), ('status', 'published')), fastupdate=False, name='public_names_by_week'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(models.F('status'), models.F('category'), events.models.sample.Halvings(), models.F('start_time'), condition=models.Q(events.models.sample.IsSampled()), include=('id', 'end_time', 'deleted_at', 'is_available', 'organizer', 'series', 'latitude', 'longitude', 'location', 'name'), name='event_sample_facts'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=django.contrib.postgres.indexes.GinIndex(models.F('search_vector'), events.models.sample.HalvingsUpTo(), django.contrib.postgres.indexes.OpClass(config.api.text.folding.Folded('name'), 'gin_trgm_ops'), django.contrib.postgres.indexes.OpClass(config.api.text.folding.Folded('location'), 'gin_trgm_ops'), condition=models.Q(events.models.sample.IsSampled()), gin_pending_list_limit=256, name='event_sample_folded'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass(config.api.text.folding.Folded('name'), 'gin_trgm_ops'), name='event_name_folded'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass(config.api.text.folding.Folded('location'), 'gin_trgm_ops'), name='event_location_folded'),
        ),
        migrations.AddConstraint(
            model_name='event',
            constraint=models.CheckConstraint(condition=models.Q(('max_capacity', None), ('registered_count__lte', models.F('max_capacity')), _connector='OR'), name='event_not_overbooked'),
        ),
        migrations.AddConstraint(
            model_name='event',
            constraint=models.CheckConstraint(condition=models.Q(('max_capacity', None), ('max_capacity__gte', 1), _connector='OR'), name='event_capacity_positive'),
        ),
        migrations.AddConstraint(
            model_name='event',
            constraint=models.CheckConstraint(condition=models.Q(('end_time__gt', models.F('start_time'))), name='event_ends_after_start'),
        ),
        migrations.AddConstraint(
            model_name='event',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('latitude__isnull', False), ('longitude__isnull', False), ('latitude__range', (-90, 90)), ('longitude__range', (-180, 180))), models.Q(('latitude__isnull', True), ('longitude__isnull', True)), _connector='OR'), name='event_on_earth'),
        ),
        migrations.AddConstraint(
            model_name='event',
            constraint=models.UniqueConstraint(fields=('organizer', 'import_key'), name='event_imported_once'),
        ),
        migrations.AddConstraint(
            model_name='event',
            constraint=models.UniqueConstraint(deferrable=django.db.models.constraints.Deferrable['DEFERRED'], fields=('series', 'rule_number', 'nominal_start'), name='one_event_per_occurrence'),
        ),
    ]
