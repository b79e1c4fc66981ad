"""The check of new migrations reports what blocks a running service or breaks its old version."""

import importlib.util
from pathlib import Path

import pytest
from django.db.migrations.loader import MigrationLoader

SCRIPT = Path(__file__).parents[2] / ".ci" / "check_migrations.py"
NEW_TABLE = 'CREATE TABLE "speaker" ("id" bigint PRIMARY KEY, "name" text NOT NULL);'


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("check_migrations", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ('CREATE INDEX "by_name" ON "event" ("name");', "require-concurrent-index-creation"),
        ('DROP INDEX "by_name";', "require-concurrent-index-deletion"),
        ('ALTER TABLE "event" ADD COLUMN "x" integer NOT NULL;', "adding-required-field"),
        ('ALTER TABLE "event" ALTER COLUMN "x" SET NOT NULL;', "adding-not-nullable-field"),
        ('ALTER TABLE "event" ALTER COLUMN "x" TYPE bigint;', "changing-column-type"),
        ('ALTER TABLE "event" ADD CONSTRAINT "c" CHECK (x > 0);', "constraint-missing-not-valid"),
        ('ALTER TABLE "event" DROP COLUMN "x";', "ban-drop-column"),
        ('ALTER TABLE "event" RENAME COLUMN "x" TO "y";', "renaming-column"),
        ('ALTER TABLE "event" ADD;', "syntax-error"),
    ],
)
def test_statement_that_blocks_or_breaks_is_reported_with_its_migration(script, statement, rule):
    lines = script.findings([("events.0001_speakers", NEW_TABLE), ("events.0002_x", statement)])

    assert lines == [f"events.0002_x: {rule} ({script.RULES[rule]}): {statement}"]


@pytest.mark.parametrize(
    "statement",
    [
        'CREATE INDEX CONCURRENTLY "by_name" ON "event" ("name");',
        'ALTER TABLE "event" ADD COLUMN "x" integer NULL;',
        'ALTER TABLE "event" ADD COLUMN "x" integer DEFAULT 0 NOT NULL;',
        'ALTER TABLE "event" ADD CONSTRAINT "c" CHECK (x > 0) NOT VALID;',
        'CREATE INDEX "by_speaker" ON "speaker" ("name");',
    ],
)
def test_statement_that_neither_blocks_nor_breaks_passes(script, statement):
    migrations = [
        ("events.0001_speakers", f"BEGIN;\n{NEW_TABLE}\nCOMMIT;"),
        ("events.0002_x", f"BEGIN;\n{statement}\nCOMMIT;"),
    ]

    assert script.findings(migrations) == []


def test_accepted_finding_is_not_reported(script, monkeypatch):
    finding = ("events.0002_x", "ban-drop-column")
    monkeypatch.setattr(script, "ACCEPTED", {finding: "no version reads it"})

    assert script.findings([("events.0002_x", 'ALTER TABLE "event" DROP COLUMN "x";')]) == []


@pytest.mark.parametrize(
    "statement",
    [
        'ALTER TABLE "event" ADD COLUMN "x" integer NULL;',
        'ALTER TABLE "event" ADD CONSTRAINT "c" CHECK (x > 0) NOT VALID;',
        'UPDATE "event" SET "x" = "x" + 1;',
        'CREATE INDEX CONCURRENTLY "by_name" ON "event" ("name");',
        'ALTER TABLE "event" ADD COLUMN IF NOT EXISTS "x" integer NULL, ADD CHECK (x > 0);',
    ],
)
def test_statement_that_cannot_be_repeated_is_reported_outside_of_a_transaction(script, statement):
    name, reason = "events.0002_x", "fails when it is run again after an interruption"

    inside = script.unrepeatable([(name, f"BEGIN;\n{statement}\nCOMMIT;")])
    outside = script.unrepeatable([(name, f"--\n-- A comment\n--\n{statement}")])

    assert (inside, outside) == ([], [f"{name}: {reason}: {statement.removesuffix(';')}"])


def test_an_index_is_dropped_before_it_is_built_and_a_line_may_have_several_statements(script):
    drop = 'DROP INDEX CONCURRENTLY IF EXISTS "by_name";'
    build, other = (
        f'CREATE INDEX CONCURRENTLY "{name}" ON "event" ("x");' for name in ("by_name", "other")
    )
    column = 'ALTER TABLE "event" ADD COLUMN IF NOT EXISTS "x" numeric(5, 2) NULL;'

    assert script.unrepeatable([("a", f"SET lock_timeout = 0;\n{drop}\n{build}\n{column}")]) == []
    assert len(script.unrepeatable([("a", f"{drop}\n{other}")])) == 1
    assert (
        len(script.unrepeatable([("a", 'SET lock_timeout = 0; UPDATE "event" SET "x" = 1;')])) == 1
    )


@pytest.mark.django_db
def test_only_migrations_after_the_release_are_checked(script, monkeypatch, tmp_path, capsys):
    latest = "accounts.0001_initial"
    names = {".".join(key) for key in MigrationLoader(None).disk_migrations}
    released = tmp_path / "released_migrations.txt"
    released.write_text(
        "\n".join(name for name in names - {latest} if name.partition(".")[0] in script.OWN_APPS)
    )
    monkeypatch.setattr(script, "RELEASED", released)
    monkeypatch.setattr(script, "findings", lambda migrations: [name for name, _ in migrations])

    status = script.main([])

    assert (status, capsys.readouterr().err) == (1, f"{latest}\n")


def test_released_migration_that_is_gone_is_reported(script, monkeypatch, tmp_path):
    released = tmp_path / "released_migrations.txt"
    released.write_text("events.0001_of_former_days\n")
    monkeypatch.setattr(script, "RELEASED", released)

    with pytest.raises(SystemExit, match=r"missing: events\.0001_of_former_days\. See --release"):
        script.main([])
