"""Backups, restoring, and due work without long-running processes, on the tests' database."""

import asyncio
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import psycopg
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.db.models import Max
from procrastinate import PsycopgConnector
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateEvent, ProcrastinateJob
from procrastinate.contrib.django.utils import connector_params

from accounts.models import Notification
from config.api.sql.requirements import EXTENSIONS
from config.api.tasks import MAX_ATTEMPTS, retry_interrupted_jobs
from config.operations import client_programs
from config.operations.client_programs import find_program
from config.operations.due_work import run_due_jobs
from config.operations.management.commands import backup as backup_command
from registrations.changes.log import sequence_changes
from registrations.models import Change, ChangeLog
from registrations.tests.factories import registered

PROJECT = Path(__file__).resolve().parents[2]
committed = pytest.mark.django_db(transaction=True)


def environment(database: str, **variables: str) -> dict[str, str]:
    """The environment of a process that uses this database of the tests' server."""
    settings = connection.settings_dict
    return {
        **os.environ,
        "DATABASE_URL": f"postgresql:///{database}",
        "PGHOST": settings["HOST"],
        "PGPORT": str(settings["PORT"]),
        "PGUSER": settings["USER"],
        "PGPASSWORD": settings["PASSWORD"],
        "SECRET_KEY": "of-a-command-that-runs-for-one-test-0123456789",
        **variables,
    }


def manage(*arguments: str, **variables: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT, env=variables, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.fixture
def empty_database():
    """The name of an empty database on the tests' server."""
    name = f"{connection.settings_dict['NAME']}_restored"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    yield name
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name} (FORCE)")


def connected_to(database: str) -> psycopg.Connection:
    settings = connection.settings_dict
    return psycopg.connect(
        host=settings["HOST"], port=settings["PORT"], user=settings["USER"],
        password=settings["PASSWORD"], dbname=database,
    )  # fmt: skip


# --- Backups ------------------------------------------------------------------------------------


@committed
def test_backup_is_restored_with_every_registration_and_passes_the_integrity_check(
    event, empty_database, tmp_path
):
    rows = [registered(event, email=f"guest{number}@example.com") for number in range(3)]

    call_command("backup", tmp_path)
    (backup,) = tmp_path.iterdir()
    restored = manage("restore", str(backup), **environment(empty_database))

    with connected_to(empty_database) as other:
        ids = other.execute("SELECT id FROM registrations_registration").fetchall()
    assert (restored.returncode, restored.stderr) == (0, "")
    assert restored.stdout.startswith("ok: confirmed people never exceed the capacity\n")
    assert {pk for (pk,) in ids} == {row.pk for row in rows}
    assert backup.stat().st_mode & 0o777 == 0o600


@committed
def test_restored_log_of_changes_continues_in_another_era_and_with_other_ids(
    event, empty_database, tmp_path
):
    registered(event)
    sequence_changes()
    call_command("backup", tmp_path)
    registered(event)  # is in the log alone that has no backup
    sequence_changes()
    manage("restore", str(next(tmp_path.iterdir())), **environment(empty_database))

    with connected_to(empty_database) as other:
        other.execute("UPDATE events_event SET version = version + 1")
        other.commit()
        other.execute("SELECT sequence_changes()")
        (era,) = other.execute("SELECT era FROM registrations_changelog").fetchone()
        log = other.execute("SELECT position, type FROM registrations_change ORDER BY 1").fetchall()

    former = list(Change.objects.order_by("position").values_list("position", "type"))
    types = [name for _, name in former]
    assert types == ["event.created", "registration.confirmed", "registration.confirmed"]
    assert log[:-1] == former[:-1]
    assert log[-1][0] > former[-1][0]
    assert log[-1][1] == "event.updated"
    assert era != ChangeLog.objects.get().era


@pytest.fixture
def ordinary_owner(_superuser, empty_database):
    """The name of an ordinary role that owns the empty database, where a provider has made the
    extensions."""
    settings = connection.settings_dict
    role = f"owner_of_{empty_database}"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP ROLE IF EXISTS {role}")
        cursor.execute(f"CREATE ROLE {role} LOGIN PASSWORD %s", [settings["PASSWORD"]])
        cursor.execute(f"ALTER DATABASE {empty_database} OWNER TO {role}")
    with connected_to(empty_database) as provider:
        for extension in EXTENSIONS:
            provider.execute(f"CREATE EXTENSION {extension}")
    yield role
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {empty_database} (FORCE)")  # with all that the role owns
        cursor.execute(f"DROP ROLE {role}")


@committed
def test_backup_is_restored_by_an_ordinary_role_where_the_provider_made_the_extensions(
    empty_database, ordinary_owner, tmp_path
):
    call_command("backup", tmp_path)
    (backup,) = tmp_path.iterdir()

    restored = manage("restore", str(backup), **environment(empty_database, PGUSER=ordinary_owner))

    assert (restored.returncode, restored.stderr) == (0, "")


@pytest.mark.django_db
def test_restoring_into_a_database_with_tables_is_refused(tmp_path):
    backup = tmp_path / "events.dump"
    backup.touch()

    with pytest.raises(CommandError, match="The database has tables"):
        call_command("restore", backup)


def test_restoring_a_missing_file_is_refused(tmp_path):
    with pytest.raises(CommandError, match="There is no file "):
        call_command("restore", tmp_path / "events.dump")


@pytest.mark.django_db
def test_backup_deletes_all_but_the_latest_and_no_other_files(tmp_path):
    for name in ("events-20200101T000000Z.dump", "events-20200102T000000Z.dump", "notes.dump"):
        (tmp_path / name).touch()

    call_command("backup", tmp_path, keep=2)

    others = {path.name for path in tmp_path.iterdir()}
    assert {"events-20200102T000000Z.dump", "notes.dump"} < others
    assert len(others) == 3


@pytest.mark.django_db
def test_failed_backup_leaves_no_file_and_deletes_none(tmp_path, monkeypatch):
    (tmp_path / "events-20200101T000000Z.dump").touch()
    program = tmp_path / "pg_dump"
    program.write_text("#!/bin/sh\necho 'pg_dump: error: disk full' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(client_programs, "find_program", lambda name: program)

    with pytest.raises(CommandError, match="pg_dump failed: pg_dump: error: disk full"):
        call_command("backup", tmp_path, keep=1)

    assert {path.name for path in tmp_path.iterdir()} == {
        "events-20200101T000000Z.dump",
        "pg_dump",
    }


def test_backup_into_a_missing_directory_is_refused(tmp_path):
    with pytest.raises(CommandError, match="No such file or directory"):
        call_command("backup", tmp_path / "missing")


def program(path: Path, version: str) -> Path:
    path.write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {version}'\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("server", "versions", "expected"),
    [(15, [15, 17, 18], 15), (16, [15, 18, 17], 17), (18, [18, 15], 18)],
)
def test_find_program_prefers_the_version_of_the_server(
    tmp_path, monkeypatch, server, versions, expected
):
    programs = [program(tmp_path / str(version), f"{version}.1") for version in versions]
    monkeypatch.setattr(client_programs, "_candidates", lambda name: programs)
    monkeypatch.setattr(client_programs, "_server_version", lambda: server)

    assert find_program("pg_dump") == tmp_path / str(expected)


def test_find_program_refuses_a_pg_restore_that_sets_what_the_server_lacks(tmp_path, monkeypatch):
    programs = [program(tmp_path / "pg_restore", "18.1")]
    monkeypatch.setattr(client_programs, "_candidates", lambda name: programs)
    monkeypatch.setattr(client_programs, "_server_version", lambda: 16)

    with pytest.raises(CommandError, match="postgresql-client-16"):
        find_program("pg_restore")


def test_backup_deletes_what_a_killed_one_left_a_day_ago(tmp_path, monkeypatch):
    monkeypatch.setattr(backup_command, "_dump", lambda path: None)
    names = ["events-20270101T000000Z.unfinished", "events-20270102T000000Z.unfinished"]
    old, recent = (tmp_path / name for name in names)
    for path in (old, recent):
        path.touch()
    os.utime(old, (0, 0))

    call_command("backup", tmp_path, stdout=StringIO())

    assert (old.exists(), recent.exists()) == (False, True)


def test_find_program_refuses_programs_that_are_older_than_the_server(tmp_path, monkeypatch):
    programs = [program(tmp_path / "pg_dump", "15.1")]
    monkeypatch.setattr(client_programs, "_candidates", lambda name: programs)
    monkeypatch.setattr(client_programs, "_server_version", lambda: 18)

    with pytest.raises(CommandError, match=r"Install it \(Debian: postgresql-client-18\)"):
        find_program("pg_dump")


# --- Due work -----------------------------------------------------------------------------------


@committed
def test_run_due_runs_each_periodic_job_once_and_sends_what_is_due(event, tmp_path):
    registered(event, email="ana@example.com")
    variables = environment(
        connection.settings_dict["NAME"],
        EMAIL_URL=f"filemail://{tmp_path}",
        RATE_LIMITS="off",
    )

    first = manage("run_due", **variables)
    daily = {
        job.task_name: job.status
        for job in ProcrastinateJob.objects.filter(task_name__endswith=".sweep_sessions")
    }
    second = manage("run_due", **variables)

    assert (first.returncode, second.returncode) == (0, 0)
    assert daily == {"accounts.tasks.sweep_sessions": "succeeded"}
    assert Notification.objects.get(email="ana@example.com").state == Notification.State.SENT
    assert "ana@example.com" in "".join(path.read_text() for path in tmp_path.iterdir())
    assert ProcrastinateJob.objects.filter(task_name="accounts.tasks.sweep_sessions").count() == 1
    assert second.stdout.endswith(" 0 notifications handled.\n")


@committed
def test_jobs_whose_worker_was_killed_run_again_unless_they_are_queued_or_kill_each_worker():
    insert = """
        INSERT INTO procrastinate_jobs
            (queue_name, task_name, args, status, attempts, queueing_lock)
        VALUES ('default', 'config.api.tasks.sweep_counts', '{"timestamp": 0}', %s, %s, %s)
        RETURNING id
    """
    jobs = {}
    with connection.cursor() as cursor:
        for name, values in {
            "killed": ["doing", 0, None],
            "queued": ["todo", 0, "sweep_counts"],
            "superseded": ["doing", 0, "sweep_counts"],
            "killing": ["doing", MAX_ATTEMPTS - 1, None],
        }.items():
            cursor.execute(insert, values)
            jobs[name] = cursor.fetchone()[0]

    async def retry():
        async with app.open_async():
            await retry_interrupted_jobs.func(SimpleNamespace(app=app), timestamp=0)

    with app.replace_connector(PsycopgConnector(kwargs=connector_params())):
        asyncio.run(retry())

    states = dict(ProcrastinateJob.objects.values_list("id", "status"))
    with connection.cursor() as cursor:  # the tests' clean-up leaves the tables of this library
        cursor.execute("DELETE FROM procrastinate_jobs WHERE id = ANY (%s)", [[*jobs.values()]])
    assert {name: states[pk] for name, pk in jobs.items()} == {
        "killed": "todo",
        "queued": "todo",
        "superseded": "failed",
        "killing": "failed",
    }


@committed
def test_run_due_begins_no_job_once_it_is_stopped():
    latest_id = ProcrastinateEvent.objects.aggregate(latest=Max("id"))["latest"] or 0
    stopping = Event()
    stopping.set()

    run_due_jobs(stopping)

    assert not ProcrastinateEvent.objects.filter(type="started", id__gt=latest_id).exists()


# --- Other WSGI servers -------------------------------------------------------------------------


def test_import_of_the_wsgi_application_starts_no_thread(tmp_path):
    code = "import config.wsgi, threading; print(threading.active_count())"

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        env={**os.environ, "DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout == "1\n"
