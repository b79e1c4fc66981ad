"""Registrations, their ledger, feedback and messages."""

import config.api.text.folding
import config.api.text.mailbox_field
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.text
import django.utils.timezone
import registrations.models.registration
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('events', '0002_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Registration',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=200)),
                ('email', config.api.text.mailbox_field.MailboxField(help_text='One spelling for each mailbox.', max_length=254)),
                ('status', models.CharField(choices=[('confirmed', 'Confirmed'), ('waitlisted', 'Waitlisted'), ('cancelled', 'Cancelled')], max_length=16)),
                ('queue_number', models.PositiveBigIntegerField(blank=True, editable=False, help_text='The order of the queue. Never reused.', null=True)),
                ('ticket_code', models.CharField(default=registrations.models.registration.new_ticket_code, editable=False, max_length=16)),
                ('link_version', models.PositiveIntegerField(db_default=0, default=0, editable=False, help_text='Grows when it is handed on or joins an account. Earlier links become invalid.')),
                ('registered_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('confirmed_at', models.DateTimeField(blank=True, null=True)),
                ('cancelled_at', models.DateTimeField(blank=True, null=True)),
                ('checked_in_at', models.DateTimeField(blank=True, null=True)),
                ('checked_in_by', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('event', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='registrations', to='events.event')),
                ('registered_by', models.ForeignKey(blank=True, db_index=False, help_text='The account that made it, for itself or for a guest.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('user', models.ForeignKey(blank=True, db_index=False, help_text='The account that it belongs to; empty for a guest.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='registrations', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='LedgerEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('registered', 'Registered'), ('queued', 'Queued'), ('promoted', 'Promoted'), ('cancelled', 'Cancelled'), ('handed_on', 'Handed On'), ('checked_in', 'Checked In'), ('check_in_undone', 'Check In Undone')], max_length=16)),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('reason', models.CharField(choices=[('by_guest', 'By Guest'), ('by_attendee', 'By Attendee'), ('by_organizer', 'By Organizer'), ('by_staff', 'By Staff'), ('place_freed', 'Place Freed'), ('event_edited', 'Event Edited'), ('account_closed', 'Account Closed')], max_length=16)),
                ('actor', models.ForeignKey(blank=True, db_index=False, help_text='The account that changed it; empty for guests and for the system.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('event', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='events.event')),
                ('registration', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='ledger', to='registrations.registration')),
            ],
            options={
                'verbose_name_plural': 'ledger',
            },
        ),
        migrations.CreateModel(
            name='Feedback',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('rating', models.PositiveSmallIntegerField(help_text='1 to 5, the best.')),
                ('comment', models.TextField(blank=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('hidden_at', models.DateTimeField(blank=True, null=True)),
                ('hidden_reason', models.CharField(blank=True, help_text='For staff.', max_length=500)),
                ('author', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='feedback', to=settings.AUTH_USER_MODEL)),
                ('event', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='feedback', to='events.event')),
                ('hidden_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name_plural': 'feedback',
                'indexes': [models.Index(condition=models.Q(('hidden_at', None)), fields=['event', 'created_at', 'id'], include=('rating',), name='shown_feedback')],
                'constraints': [models.UniqueConstraint(fields=('event', 'author'), name='one_feedback_per_account'), models.CheckConstraint(condition=models.Q(('rating__gte', 1), ('rating__lte', 5)), name='feedback_rating_1_to_5'), models.CheckConstraint(condition=models.Q(models.Q(('hidden_at', None), ('hidden_reason', '')), models.Q(('hidden_at__isnull', False), models.Q(('hidden_reason', ''), _negated=True)), _connector='OR'), name='hidden_feedback_has_its_reason')],
            },
        ),
        migrations.CreateModel(
            name='Message',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('subject', models.CharField(max_length=200)),
                ('body', models.TextField()),
                ('status', models.CharField(choices=[('confirmed', 'Confirmed'), ('waitlisted', 'Waitlisted')], default='confirmed', max_length=16)),
                ('recipient_count', models.PositiveIntegerField(default=0)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('author', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('event', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='messages', to='events.event')),
            ],
            options={
                'indexes': [models.Index(fields=['event', 'created_at', 'id'], name='messages_of_event')],
            },
        ),
        migrations.AddIndex(
            model_name='registration',
            index=models.Index(fields=['event', 'registered_at', 'id'], name='by_event_and_time'),
        ),
        migrations.AddIndex(
            model_name='registration',
            index=models.Index(models.F('event'), django.db.models.functions.comparison.Collate(config.api.text.folding.AlphabetKey('name'), 'C'), models.F('id'), name='by_event_and_alphabet'),
        ),
        migrations.AddIndex(
            model_name='registration',
            index=models.Index(fields=['event', 'email', 'id'], name='by_event_and_email'),
        ),
        migrations.AddIndex(
            model_name='registration',
            index=models.Index(condition=models.Q(('checked_in_at__isnull', False)), fields=['event'], name='checked_in'),
        ),
        migrations.AddIndex(
            model_name='registration',
            index=models.Index(condition=models.Q(('user__isnull', False)), fields=['user'], name='registrations_of_user'),
        ),
        migrations.AddIndex(
            model_name='registration',
            index=models.Index(condition=models.Q(('registered_by__isnull', False)), fields=['registered_by'], name='registrations_made_by_user'),
        ),
        migrations.AddIndex(
            model_name='registration',
            index=models.Index(condition=models.Q(('checked_in_by__isnull', False)), fields=['checked_in_by'], name='registrations_scanned_by_user'),
        ),
        migrations.AddConstraint(
            model_name='registration',
            constraint=models.UniqueConstraint(condition=models.Q(('status', 'cancelled'), _negated=True), fields=('event', 'email'), name='one_live_registration_per_address'),
        ),
        migrations.AddConstraint(
            model_name='registration',
            constraint=models.CheckConstraint(condition=models.Q(('email', django.db.models.functions.text.Lower(django.db.models.functions.comparison.Collate('email', 'C')))), name='registration_email_lower_case'),
        ),
        migrations.AddConstraint(
            model_name='registration',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'confirmed'), _negated=True), ('confirmed_at__isnull', False), _connector='OR'), name='confirmed_has_its_time'),
        ),
        migrations.AddConstraint(
            model_name='registration',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'waitlisted'), _negated=True), ('queue_number__isnull', False), _connector='OR'), name='waitlisted_has_its_number'),
        ),
        migrations.AddConstraint(
            model_name='registration',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('cancelled_at__isnull', False), ('status', 'cancelled')), models.Q(models.Q(('status', 'cancelled'), _negated=True), ('cancelled_at', None)), _connector='OR'), name='cancelled_has_its_time'),
        ),
        migrations.AddConstraint(
            model_name='registration',
            constraint=models.CheckConstraint(condition=models.Q(('checked_in_at', None), models.Q(('status', 'waitlisted'), _negated=True), _connector='OR'), name='nobody_waiting_is_checked_in'),
        ),
        migrations.AddConstraint(
            model_name='registration',
            constraint=models.UniqueConstraint(condition=models.Q(('status', 'waitlisted')), fields=('event', 'queue_number'), name='one_place_in_the_queue'),
        ),
        migrations.AddConstraint(
            model_name='registration',
            constraint=models.UniqueConstraint(fields=('ticket_code',), name='one_registration_per_ticket'),
        ),
        migrations.AddIndex(
            model_name='ledgerentry',
            index=models.Index(fields=['event', 'id'], name='ledger_by_event'),
        ),
        migrations.AddIndex(
            model_name='ledgerentry',
            index=models.Index(condition=models.Q(('actor__isnull', False)), fields=['actor'], name='ledger_by_actor'),
        ),
    ]
