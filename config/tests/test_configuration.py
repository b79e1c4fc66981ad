"""Settings from the environment. Each start is a process of its own."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from django.core.exceptions import ImproperlyConfigured

from config import env, settings

PROJECT = Path(settings.__file__).parents[1]
KEY = "0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DATABASE = "postgresql://events:secret@db.example.org:5432/events"


def manage(*arguments, project=PROJECT, **variables):
    """Run `manage.py` in an environment of these variables alone."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=project,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("DEBUG", "maybe"),
        ("DATABASE_URL", "mysql://events:secret@db.example.org/events"),
        ("DATABASE_REPLICA_URL", "mysql://events:secret@db.example.org/events"),
        ("EMAIL_URL", "pigeon://roof"),
        ("DEFAULT_FROM_EMAIL", "Events"),
        ("EMAIL_TIMEOUT_SECONDS", "0"),
        ("CACHE_URL", "shelf://0"),
        ("RATE_LIMITS", "login=often"),
        ("PUBLIC_URL", "example.org"),
        ("LOG_FORMAT", "xml"),
        ("TRUSTED_PROXIES", "-1"),
        ("METRICS_NETWORKS", "10.0.0.1/8"),
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", "x" * 50),
        ("SECRET_KEY", "changeme" * 7),
        ("SECRET_KEY", "django-insecure-" + KEY),
        ("SECRET_KEY_FALLBACKS", "short"),
        ("SECRET_KEY_FALLBACKS", f"{KEY},django-insecure-{KEY}"),
        ("WEB_CONCURRENCY", "many"),
        ("ALLOWED_HOSTS", "https://example.org"),
    ],
)
def test_a_bad_value_stops_the_start_with_one_line_that_names_the_variable(name, value):
    done = manage("check", **{"SECRET_KEY": KEY, name: value})

    assert done.returncode == 1
    assert done.stdout == ""
    assert re.fullmatch(rf"Configuration error: {name} must [^\n]+\n", done.stderr)
    assert "secret" not in done.stderr


def test_own_database_requires_a_secret_key():
    done = manage("check", DATABASE_URL=DATABASE, SECRET_KEY="")

    assert done.returncode == 1
    assert done.stderr == (
        "Configuration error: SECRET_KEY must be set when DATABASE_URL is set.\n"
    )


@pytest.mark.parametrize("reader", ["web_address", "hosts", "origins", "database", "email"])
@pytest.mark.parametrize("value", ["http://[", "//user:secret@host/x", "a b", "?"])
def test_invalid_value_is_refused_without_a_traceback_or_a_password(monkeypatch, reader, value):
    monkeypatch.setenv("THIS_ONE", value)
    defaults = () if reader == "database" else ("",)

    with pytest.raises(ImproperlyConfigured, match=r"^THIS_ONE must look like "):
        getattr(env, reader)("THIS_ONE", *defaults)


@pytest.mark.parametrize("value", ["postgresql://db.example.org", "postgresql://db:port/events"])
def test_a_database_address_has_a_database_and_a_port_that_is_a_number(monkeypatch, value):
    monkeypatch.setenv("THIS_ONE", value)

    with pytest.raises(ImproperlyConfigured, match=r"^THIS_ONE must look like postgresql://"):
        env.database("THIS_ONE")


@pytest.mark.parametrize("value", ["filemail://", "filemail://mails"])
def test_mail_to_files_names_a_directory(monkeypatch, value):
    monkeypatch.setenv("THIS_ONE", value)

    with pytest.raises(ImproperlyConfigured, match=r"^THIS_ONE must look like smtp"):
        env.email("THIS_ONE", "consolemail://")


def test_an_empty_value_is_no_value(monkeypatch):
    monkeypatch.setenv("THIS_ONE", " ")

    assert env.text("THIS_ONE", "the default") == "the default"
    assert env.integer("THIS_ONE", 7) == 7
    assert env.origins("THIS_ONE", ["https://example.org"]) == ["https://example.org"]


def test_a_full_configuration_passes_the_check_for_deployment():
    done = manage(
        "check",
        "--deploy",
        "--fail-level=WARNING",
        DEBUG="off",
        SECRET_KEY=KEY,
        DATABASE_URL=DATABASE + "?sslmode=require",
        DATABASE_REPLICA_URL="postgresql://reader:secret@replica.example.org/events",
        CACHE_URL="rediss://:secret@cache.example.org:6380/0",
        EMAIL_URL="smtp+tls://user:p%40ss@mail.example.org:587",
        DEFAULT_FROM_EMAIL="Events <events@example.org>",
        PUBLIC_URL="https://events.example.org/",
        ALLOWED_HOSTS="events.example.org, .example.net, [::1]",
        CSRF_TRUSTED_ORIGINS="https://events.example.org,https://*.example.net",
        CORS_ALLOWED_ORIGINS="https://app.example.org,http://localhost:3000",
        TRUSTED_PROXIES="1",
        SSL_REDIRECT="on",
        METRICS_NETWORKS="10.0.0.0/8,fd00::/8",
        RATE_LIMITS="login=5/min,register=off",
        MAX_BODY_MEGABYTES="5",
        MAX_BULK_BODY_MEGABYTES="40",
        MAX_FILE_MEGABYTES="10",
        ACCESS_TOKEN_MINUTES="15",
        REFRESH_TOKEN_DAYS="14",
        HOST="0.0.0.0",
        PORT="8080",
        WEB_CONCURRENCY="4",
        WEB_THREADS="8",
        LOG_FORMAT="json",
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_a_file_is_read_and_the_real_environment_wins(tmp_path):
    shutil.copy(PROJECT / "manage.py", tmp_path)
    shutil.copytree(
        PROJECT / "config",
        tmp_path / "config",
        ignore=shutil.ignore_patterns("tests", "__pycache__"),
    )
    for directory in ("accounts", "events", "registrations", "docs"):
        (tmp_path / directory).symlink_to(PROJECT / directory)
    (tmp_path / ".env").write_text(
        f"# Here\nSECRET_KEY='{KEY}'\nPUBLIC_URL=https://file.example.org\nTRUSTED_PROXIES=2\n"
    )
    code = (
        "from django.conf import settings as s; import json; "
        "print(json.dumps([s.SECRET_KEY, s.PUBLIC_URL, s.TRUSTED_PROXIES]))"
    )

    done = manage(
        "shell", "--no-imports", "--command", code,
        project=tmp_path, PUBLIC_URL="https://real.example.org",
    )  # fmt: skip

    assert done.stderr == ""
    assert json.loads(done.stdout) == [KEY, "https://real.example.org", 2]


def test_the_query_of_a_database_url_is_passed_on():
    url = "postgresql:///events?connect_timeout=3&options=-c%20lock_timeout%3D1s"
    code = (
        "from django.db import connections as every\n"
        "for name in every: print(every[name].settings_dict['OPTIONS']['options'])\n"
        "print(every['default'].settings_dict['OPTIONS']['connect_timeout'])"
    )

    done = manage(
        "shell", "--verbosity", "0", "--command", code,
        SECRET_KEY=KEY, DATABASE_URL=url, DATABASE_REPLICA_URL=url,
    )  # fmt: skip

    primary, replica, seconds = done.stdout.splitlines()
    assert primary.startswith("-c lock_timeout=5s ")
    assert primary.endswith(" -c lock_timeout=1s")  # the later one counts
    assert replica == f"{primary} -c default_transaction_read_only=on"
    assert seconds == "3"


def test_a_database_url_may_name_the_directory_of_a_socket(monkeypatch):
    monkeypatch.setenv("THIS_ONE", "postgresql://events@%2Fvar%2Frun%2Fpostgresql/events")

    config = env.database("THIS_ONE")

    assert (config["HOST"], config["NAME"]) == ("/var/run/postgresql", "events")


def test_a_secret_is_read_from_the_file_that_a_variable_names(monkeypatch, tmp_path):
    (tmp_path / "secret").write_text("of a file\n")
    monkeypatch.setenv("THIS_ONE_FILE", str(tmp_path / "secret"))

    assert env.text("THIS_ONE") == "of a file"


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"THIS_ONE": "1", "THIS_ONE_FILE": "/x"}, "THIS_ONE must be unset where THIS_ONE_FILE"),
        (
            {"THIS_ONE_FILE": "/missing"},
            r"THIS_ONE_FILE must name a readable file \(.*No such file",
        ),
    ],
)
def test_a_file_of_a_secret_must_be_readable_and_the_only_value(monkeypatch, variables, message):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(ImproperlyConfigured, match=message):
        env.text("THIS_ONE")


def test_the_example_file_names_what_the_settings_read_and_sets_nothing():
    example = (PROJECT / ".env.example").read_text()
    read = re.findall(r'env\.\w+\(\s*"(\w+)"', (PROJECT / "config" / "settings.py").read_text())

    assert set(read) <= set(re.findall(r"^#([A-Z0-9_]+)=", example, re.MULTILINE))
    assert all(line.startswith("#") for line in example.splitlines() if line)


def test_every_variable_has_a_line_in_the_documentation():
    table = (PROJECT / "docs" / "configuration.md").read_text()
    sources = {
        name: (PROJECT / name).read_text()
        for name in ("config/settings.py", "config/devserver/start.py", "Procfile")
    }
    read = {
        *re.findall(r'env\.\w+\(\s*"(\w+)"', sources["config/settings.py"]),
        *re.findall(
            r'environ\.setdefault\("(?!DJANGO_)(\w+)"', sources["config/devserver/start.py"]
        ),
        *re.findall(r"\$\{?([A-Z_]+)", sources["Procfile"]),
        "EMBEDDED_POSTGRES_GRACE_SECONDS",
    }

    assert {name for name in read if f"| `{name}` |" not in table} == set()


def test_compose_passes_every_setting():
    compose = (PROJECT / "compose.yaml").read_text()
    read = re.findall(r'env\.\w+\(\s*"(\w+)"', (PROJECT / "config" / "settings.py").read_text())
    passed = re.findall(r"^ +([A-Z_0-9]+): ", compose, re.MULTILINE)

    # The image sets HOST and PORT. The other two are for development.
    assert set(read) - set(passed) == {"HOST", "PORT", "DEBUG", "DATA_DIR"}


def test_compose_passes_the_file_of_every_secret():
    compose = (PROJECT / "compose.yaml").read_text()
    page = (PROJECT / "docs" / "deployment" / "containers.md").read_text()
    (sentence,) = re.findall(r"`NAME_FILE` takes the place of\n`NAME`, for ([^.]+)\.", page)

    named = set(re.findall(r"`(\w+)`", sentence))
    passed = set(re.findall(r"^ +\w+_FILE: \$\{(\w+)_FILE:-\}$", compose, re.MULTILINE))

    assert "SECRET_KEY" in named
    assert passed == named


def test_compose_limits_and_checks_every_process():
    services = yaml.safe_load((PROJECT / "compose.yaml").read_text())["services"]
    image = (PROJECT / "Dockerfile").read_text()

    assert {name for name, each in services.items() if not each.get("mem_limit")} == set()
    assert {name for name, each in services.items() if not each.get("pids_limit")} == set()
    # That of web is in the image. The migrations end by themselves.
    assert {name for name, each in services.items() if "healthcheck" not in each} == {"web"}
    assert "HEALTHCHECK" in image


def test_compose_and_the_documentation_know_the_same_variables():
    compose = (PROJECT / "compose.yaml").read_text()
    example = (PROJECT / ".env.example").read_text()
    table = (PROJECT / "docs" / "configuration.md").read_text()

    interpolated = set(re.findall(r"(?<!\$)\$\{(\w+):", compose))
    own = {name for name in interpolated if not name.endswith("_FILE")}

    assert {name for name in own if f"`{name}`" not in table} == set()
    assert own <= set(re.findall(r"^#([A-Z0-9_]+)=", example, re.MULTILINE))


def test_the_password_of_the_database_may_be_in_a_file(monkeypatch, tmp_path):
    (tmp_path / "password").write_text(" p@ss:word \r\n")
    monkeypatch.setenv("THIS_ONE", "postgresql://events@postgres:5432/events")
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("PGPASSWORD_FILE", str(tmp_path / "password"))

    assert env.database("THIS_ONE")["PASSWORD"] == " p@ss:word "


def test_an_unreadable_password_is_named_and_only_read_where_the_url_has_none(monkeypatch):
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("PGPASSWORD_FILE", "/missing")
    monkeypatch.setenv("THIS_ONE", "postgresql://events@postgres:5432/events")
    monkeypatch.setenv("WITH_PASSWORD", "postgresql://events:own@postgres:5432/events")

    assert env.database("WITH_PASSWORD")["PASSWORD"] == "own"
    with pytest.raises(ImproperlyConfigured, match="PGPASSWORD_FILE must name a readable file"):
        env.database("THIS_ONE")


def test_the_image_runs_the_web_command_of_the_procfile():
    procfile = dict(
        line.split(": ", 1) for line in (PROJECT / "Procfile").read_text().splitlines() if line
    )
    command = re.search(r"^CMD (\[.*\])$", (PROJECT / "Dockerfile").read_text(), re.MULTILINE)[1]

    assert json.loads(command)[-1].rpartition("exec ")[2] == procfile["web"].rpartition("exec ")[2]


def test_secret_key_is_created_once_by_concurrent_processes(tmp_path):
    path = tmp_path / "made" / "secret_key"
    code = (
        "import sys; from pathlib import Path; from config.env import stored_secret; "
        "sys.stdin.read(); print(stored_secret(Path(sys.argv[1])), end='')"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, path],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]

    with ThreadPoolExecutor(len(processes)) as pool:
        outputs = list(pool.map(lambda process: process.communicate()[0], processes))

    assert set(outputs) == {path.read_text()}
    assert len(path.read_text()) >= 50
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_secret_key_is_required_where_none_can_be_stored(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(ImproperlyConfigured, match=r"^SECRET_KEY must be set"):
        env.stored_secret(tmp_path / "file" / "secret_key")


def test_zones_are_those_of_the_pinned_package(tmp_path):
    """Even if the machine's own database has the rules of Kolkata for Berlin."""
    packaged = files("tzdata") / "zoneinfo"
    (tmp_path / "Europe").mkdir()
    (tmp_path / "Europe" / "Berlin").write_bytes((packaged / "Asia" / "Kolkata").read_bytes())
    (tmp_path / "Europe" / "Nowhere").write_bytes((packaged / "UTC").read_bytes())
    code = (
        "from zoneinfo import ZoneInfo; from datetime import datetime;"
        "from config.api.http.timezones import zone_names;"
        "print(datetime(2027, 7, 1, tzinfo=ZoneInfo('Europe/Berlin')).utcoffset(),"
        " 'Europe/Nowhere' in zone_names())"
    )

    done = manage("shell", "-v0", "-c", code, SECRET_KEY=KEY, PYTHONTZPATH=str(tmp_path))

    assert (done.stdout, done.stderr) == ("2:00:00 False\n", "")
