"""People, their sessions, notifications and the audit."""

import config.api.text.mailbox_field
import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.core.serializers.json
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.datetime
import django.db.models.functions.text
import django.db.models.lookups
import django.utils.timezone
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('api', '0001_text_folding'),
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        migrations.CreateModel(
            name='MailboxBudget',
            fields=[
                ('mailbox', models.CharField(help_text='SHA-256 of the address, in hexadecimal digits.', max_length=64, primary_key=True, serialize=False)),
                ('sent_at', django.contrib.postgres.fields.ArrayField(base_field=models.DateTimeField(), help_text='The newest last.', size=None)),
                ('shares', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), db_default=[], default=list, help_text='The share that each mail was taken from, in the order of `sent_at`.', size=None)),
            ],
        ),
        migrations.CreateModel(
            name='User',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('password', models.CharField(max_length=128, verbose_name='password')),
                ('last_login', models.DateTimeField(blank=True, null=True, verbose_name='last login')),
                ('is_superuser', models.BooleanField(default=False, help_text='Designates that this user has all permissions without explicitly assigning them.', verbose_name='superuser status')),
                ('email', config.api.text.mailbox_field.MailboxField(help_text='One spelling for each mailbox.', max_length=254, unique=True)),
                ('username', models.CharField(max_length=150, validators=[django.core.validators.RegexValidator('^[\\w.+-]+\\Z', 'Use letters, digits and the characters . + - _ only.', code='invalid')])),
                ('role', models.CharField(choices=[('organizer', 'Organizer'), ('attendee', 'Attendee')], default='organizer', max_length=16)),
                ('timezone', models.CharField(default='UTC', help_text='IANA name.', max_length=64)),
                ('email_verified_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('pending_email', config.api.text.mailbox_field.MailboxField(blank=True, db_default='', default='', editable=False, help_text='Becomes the address once its owner confirms it. It cannot be used to sign in.', max_length=254)),
                ('withdrawn_email', models.CharField(blank=True, db_default='', default='', editable=False, help_text="The former address of an account whose mailbox is another's, or invalid. Until the account has another address, `email` is a placeholder.", max_length=254)),
                ('token_generation', models.PositiveIntegerField(default=1, editable=False, help_text='Incremented to end every token issued so far.')),
                ('address_version', models.PositiveIntegerField(db_default=0, default=0, editable=False, help_text='Incremented when a change of the address is over, which ends its links.')),
                ('calendar_generation', models.PositiveIntegerField(default=1, editable=False, help_text='Incremented to end the secret link to the calendar.')),
                ('is_active', models.BooleanField(default=True)),
                ('is_staff', models.BooleanField(default=False, help_text='May use the admin.')),
                ('date_joined', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('erased_at', models.DateTimeField(blank=True, editable=False, help_text='When its personal data was erased.', null=True)),
                ('groups', models.ManyToManyField(blank=True, help_text='The groups this user belongs to. A user will get all permissions granted to each of their groups.', related_name='user_set', related_query_name='user', to='auth.group', verbose_name='groups')),
                ('user_permissions', models.ManyToManyField(blank=True, help_text='Specific permissions for this user.', related_name='user_set', related_query_name='user', to='auth.permission', verbose_name='user permissions')),
            ],
        ),
        migrations.CreateModel(
            name='AuditEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('action', models.CharField(max_length=32)),
                ('kind', models.CharField(help_text='Of row: event, user …', max_length=32)),
                ('row_id', models.CharField(max_length=36)),
                ('before', models.JSONField(default=dict, encoder=django.core.serializers.json.DjangoJSONEncoder)),
                ('after', models.JSONField(default=dict, encoder=django.core.serializers.json.DjangoJSONEncoder)),
                ('request_id', models.CharField(blank=True, max_length=128)),
                ('actor', models.ForeignKey(blank=True, help_text='The account that did it; empty for commands and the system.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'change',
                'verbose_name_plural': 'changes',
            },
        ),
        migrations.CreateModel(
            name='FormerAddress',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('email', config.api.text.mailbox_field.MailboxField(db_index=True, max_length=254)),
                ('left_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('address_version', models.PositiveIntegerField(db_default=0, default=0, editable=False, help_text='That of the account until the change. It signs the recovery link.')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='former_addresses', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name_plural': 'former addresses',
            },
        ),
        migrations.CreateModel(
            name='Notification',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=40)),
                ('key', models.CharField(help_text='Unique, so that a notification exists once.', max_length=120)),
                ('email', config.api.text.mailbox_field.MailboxField(max_length=254)),
                ('event_id', models.BigIntegerField(blank=True, null=True)),
                ('registration_id', models.UUIDField(blank=True, null=True)),
                ('facts', models.JSONField(blank=True, db_default={})),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('due_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), help_text='It is not delivered before.')),
                ('state', models.CharField(choices=[('pending', 'Pending'), ('sent', 'Sent'), ('shown', 'Shown'), ('dropped', 'Dropped'), ('parked', 'Parked')], db_default='pending', max_length=8)),
                ('attempt_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), help_text='The next attempt, or the end of the lease.')),
                ('claimed_by', models.IntegerField(blank=True, help_text='The number of the mailer.', null=True)),
                ('attempts', models.PositiveSmallIntegerField(db_default=0)),
                ('error', models.TextField(blank=True, db_default='')),
                ('request_id', models.CharField(blank=True, db_default='', help_text='Of the request or job that caused it. Its log lines have it as well.', max_length=128)),
                ('message_id', models.CharField(blank=True, db_default='', max_length=320)),
                ('sent_at', models.DateTimeField(blank=True, null=True)),
                ('subject', models.CharField(blank=True, db_default='', max_length=255)),
                ('body', models.TextField(blank=True, db_default='', help_text='As the inbox shows it.')),
                ('read_at', models.DateTimeField(blank=True, null=True)),
                ('user', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='Session',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('token_generation', models.PositiveIntegerField(help_text="That of the user at the start. The session ends when the user's is higher.")),
                ('current_token', models.UUIDField(default=uuid.uuid4, help_text='The valid refresh token.')),
                ('recently_used', models.JSONField(default=dict, help_text='Refresh tokens used in the last seconds, and when (Unix time).')),
                ('user_agent', models.CharField(blank=True, max_length=255)),
                ('address', models.GenericIPAddressField(blank=True, null=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('last_used_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('expires_at', models.DateTimeField(db_index=True)),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='sessions', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='SignInFailures',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('account', models.BinaryField(help_text='Keyed digest. Empty for all.', max_length=32)),
                ('address', models.BinaryField(help_text='Keyed digest. Empty for all.', max_length=32)),
                ('level', models.FloatField(help_text='The number of failures that have not expired.')),
                ('at', models.DateTimeField(db_index=True, help_text='The time of the latest failure.')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('account', 'address'), name='counted_once')],
            },
        ),
        migrations.CreateModel(
            name='Unsubscription',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('address_digest', models.CharField(help_text='SHA-256, in hexadecimal digits.', max_length=64)),
                ('kind', models.CharField(max_length=40)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('address_digest', 'kind'), name='one_unsubscription_per_kind')],
            },
        ),
        migrations.AddIndex(
            model_name='user',
            index=models.Index(condition=models.Q(('withdrawn_email', ''), _negated=True), fields=['withdrawn_email'], name='withdrawn_addresses'),
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.UniqueConstraint(django.db.models.functions.text.Lower('username'), name='username_unique'),
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.CheckConstraint(condition=models.Q(('email', django.db.models.functions.text.Lower(django.db.models.functions.comparison.Collate('email', 'C')))), name='email_lower_case'),
        ),
        migrations.AddIndex(
            model_name='auditentry',
            index=models.Index(fields=['kind', 'row_id', 'id'], name='audit_by_row'),
        ),
        migrations.AddIndex(
            model_name='notification',
            index=models.Index(condition=models.Q(('state', 'pending')), fields=['attempt_at'], name='notification_due'),
        ),
        migrations.AddIndex(
            model_name='notification',
            index=models.Index(condition=models.Q(('claimed_by__isnull', False)), fields=['claimed_by'], name='notification_claimed'),
        ),
        migrations.AddIndex(
            model_name='notification',
            index=models.Index(models.F('user'), django.db.models.lookups.IsNull(models.F('read_at'), True), models.F('due_at'), models.F('id'), condition=models.Q(('user__isnull', False)), name='notification_inbox'),
        ),
        migrations.AddIndex(
            model_name='notification',
            index=models.Index(condition=models.Q(('state', 'parked')), fields=['id'], name='notification_parked'),
        ),
        migrations.AddIndex(
            model_name='notification',
            index=django.contrib.postgres.indexes.BrinIndex(autosummarize=True, fields=['created_at'], name='notification_age'),
        ),
        migrations.AddConstraint(
            model_name='notification',
            constraint=models.UniqueConstraint(fields=('key',), name='one_notification_per_fact'),
        ),
    ]
