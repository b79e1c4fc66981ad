"""Tallies of answers: see `registrations.statistics.tallies`."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

# The answers of each person of a registration that has some. Only answers whose values are counted
# keep them; others may be personal, and become true.
NOTE = """
CREATE FUNCTION note_answers(event_id bigint, answers jsonb, guests jsonb, sign int) RETURNS void
LANGUAGE sql
AS $$
    INSERT INTO registrations_uncountedanswers (event_id, people, responses, answers)
    SELECT $1, $4, CASE WHEN row_number() OVER () = 1 THEN $4 ELSE 0 END, (
        SELECT jsonb_object_agg(given.key, CASE
            WHEN counted.keys ? given.key OR given.value = 'null' THEN given.value ELSE 'true'
        END)
        FROM jsonb_each(person.answers) AS given
    )
    FROM (
        SELECT $2 AS answers
        UNION ALL
        SELECT guest -> 'answers' FROM jsonb_array_elements($3) AS guest
    ) AS person
    LEFT JOIN (
        SELECT jsonb_path_query_array(
            form.questions,
            '$[*] ? (
                @.type == "choice" || @.type == "choices"
                || @.type == "boolean" || @.type == "country"
            ).key'
        ) AS keys
        FROM events_event AS event JOIN events_form AS form ON form.id = event.form_id
        WHERE event.id = $1
        OFFSET 0  -- once for all persons
    ) AS counted ON true
    WHERE jsonb_typeof(person.answers) = 'object' AND person.answers <> '{}'
$$;

CREATE FUNCTION registration_note_answers() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.status IN ('confirmed', 'waitlisted') THEN
        PERFORM note_answers(OLD.event_id, OLD.answers, OLD.guests, -1);
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.status IN ('confirmed', 'waitlisted') THEN
        PERFORM note_answers(NEW.event_id, NEW.answers, NEW.guests, 1);
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION registration_note_answers IS 'Notes which answers count now, and which no longer.';
"""

# The task that counts answers then counts all of these events once.
EVENTS_WITH_FORMS = """
INSERT INTO registrations_uncountedanswers (event_id, people, responses, answers)
SELECT id, 0, 0, '{}' FROM events_event WHERE form_id IS NOT NULL
"""

# The conditions are evaluated without a call, so that registrations without answers cost nothing.
TRIGGERS = """
CREATE TRIGGER registration_note_new_answers
AFTER INSERT ON registrations_registration
FOR EACH ROW WHEN (
    NEW.status IN ('confirmed', 'waitlisted')
    AND (NEW.answers <> '{}' OR NEW.guests @? '$.answers')
)
EXECUTE FUNCTION registration_note_answers();

CREATE TRIGGER registration_note_changed_answers
AFTER UPDATE OF answers, guests, status ON registrations_registration
FOR EACH ROW WHEN (
    (
        OLD.answers <> '{}' OR NEW.answers <> '{}'
        OR OLD.guests @? '$.answers' OR NEW.guests @? '$.answers'
    )
    AND (OLD.answers, OLD.guests, OLD.status IN ('confirmed', 'waitlisted'))
        IS DISTINCT FROM (NEW.answers, NEW.guests, NEW.status IN ('confirmed', 'waitlisted'))
)
EXECUTE FUNCTION registration_note_answers();

CREATE TRIGGER registration_note_deleted_answers
AFTER DELETE ON registrations_registration
FOR EACH ROW WHEN (OLD.answers <> '{}' OR OLD.guests @? '$.answers')
EXECUTE FUNCTION registration_note_answers();
"""

DROP = """
DROP TRIGGER registration_note_new_answers ON registrations_registration;
DROP TRIGGER registration_note_changed_answers ON registrations_registration;
DROP TRIGGER registration_note_deleted_answers ON registrations_registration;
DROP FUNCTION registration_note_answers();
DROP FUNCTION note_answers(bigint, jsonb, jsonb, int);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("events", "0015_oversized_parties"),
        ("registrations", "0020_change_ids"),
    ]

    operations = [
        migrations.CreateModel(
            name="UncountedAnswers",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("event_id", models.BigIntegerField(db_index=True)),
                ("people", models.SmallIntegerField()),
                ("responses", models.SmallIntegerField()),
                ("answers", models.JSONField()),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
            ],
            options={"verbose_name_plural": "uncounted answers"},
        ),
        migrations.CreateModel(
            name="AnswerTally",
            fields=[
                (
                    "event",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="answer_tally",
                        serialize=False,
                        to="events.event",
                    ),
                ),
                ("figures", models.JSONField()),
                (
                    "form",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="events.form",
                    ),
                ),
            ],
            options={"verbose_name_plural": "answer tallies"},
        ),
        migrations.RunSQL(NOTE, migrations.RunSQL.noop),
        migrations.RunSQL(EVENTS_WITH_FORMS, migrations.RunSQL.noop),
        # Last, since it locks registrations until the end.
        migrations.RunSQL(TRIGGERS, DROP),
    ]
