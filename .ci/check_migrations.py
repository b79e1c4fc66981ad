"""Checks that new migrations neither block a running service nor break its old version.

While a new version is installed, the old one reads and writes. The migrations after the latest
release are written as SQL, and squawk examines it. Tables that are created there as well may be
changed in any way, since no version uses them yet.

`.ci/released_migrations.txt` lists the released migrations. `--release` writes it anew.

A migration outside of a transaction may be interrupted between two statements. It has to consist of
statements that succeed when it is run again.

Prints one line for each finding. Exits with 1 if there is one, or if a released migration is gone.
"""

import json
import os
import re
import subprocess
import sys
from bisect import bisect
from itertools import pairwise
from pathlib import Path

import django
from django.db import connection
from django.db.migrations.loader import MigrationLoader

PROJECT = Path(__file__).resolve().parent.parent
RELEASED = PROJECT / ".ci" / "released_migrations.txt"
OWN_APPS = {"accounts", "api", "events", "registrations"}
OLDEST_POSTGRES = "15"

# These block readers or writers for as long as the table is large, or break the old version. Other
# rules of squawk are matters of style, or are met by the settings of every connection.
RULES = {
    "adding-field-with-default": "rewrites the table",
    "adding-foreign-key-constraint": "blocks writers of both tables; add it NOT VALID",
    "adding-not-nullable-field": "blocks readers during a scan; validate a CHECK first",
    "adding-primary-key-constraint": "blocks readers; build the index concurrently first",
    "adding-required-field": "fails with rows, and breaks the old version; use db_default",
    "adding-serial-primary-key-field": "rewrites the table",
    "ban-drop-column": "breaks the old version; drop it one version later",
    "ban-drop-default": "breaks INSERTs of the old version; use db_default",
    "ban-drop-table": "breaks the old version; drop it one version later",
    "changing-column-type": "rewrites the table",
    "constraint-missing-not-valid": "blocks writers during a scan; add it NOT VALID",
    "disallowed-unique-constraint": "blocks readers; build a unique index concurrently",
    "renaming-column": "breaks the old version",
    "renaming-table": "breaks the old version",
    "require-concurrent-index-creation": "blocks writers; use BuildIndex",
    "require-concurrent-index-deletion": "blocks readers; use DropIndex",
    "syntax-error": "cannot be parsed",
}
# Findings that are accepted: (migration, rule) and the reason.
ACCEPTED: dict[tuple[str, str], str] = {
    ("registrations.0004_scans", "changing-column-type"): "a longer varchar rewrites nothing",
    ("registrations.0011_validate_parties", "constraint-missing-not-valid"): "another migration"
    " added it NOT VALID, and validating it blocks no writers",
}

# What a migration outside of a transaction may do, besides building an index that it has dropped.
REPEATABLE = re.compile(
    r"(SET |RESET |DROP INDEX CONCURRENTLY IF EXISTS )[^;]*"
    r'|ALTER TABLE "\w+" (ADD COLUMN IF NOT EXISTS|VALIDATE CONSTRAINT) '
    r"(?!.*, ?(ADD|ALTER|DROP|RENAME|SET|VALIDATE) )[^;]*"
)


def main(arguments: list[str]) -> int:
    migrations = _sql_of_migrations(set() if arguments == ["--release"] else released())
    if arguments == ["--release"]:
        RELEASED.write_text("".join(f"{name}\n" for name, _ in migrations))
        return 0
    lines = findings(migrations) + unrepeatable(migrations)
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    return 1 if lines else 0


def released() -> set[str]:
    return set(RELEASED.read_text().split())


def _sql_of_migrations(excluded: set[str]) -> list[tuple[str, str]]:
    """Names and SQL of our migrations in their order, without `excluded`.

    `BEGIN;` and `COMMIT;` enclose those that run in a transaction.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    sys.path.insert(0, str(PROJECT))
    django.setup()
    loader = MigrationLoader(None)
    loader.connection = connection
    leaves = sorted(loader.graph.leaf_nodes())
    keys = [key for leaf in leaves for key in loader.graph.forwards_plan(leaf)]
    own = {".".join(key): key for key in keys if key[0] in OWN_APPS}
    if not excluded <= own.keys():
        missing = ", ".join(sorted(excluded - own.keys()))
        sys.exit(f"Released migrations are missing: {missing}. See --release.")
    migrations = {
        name: loader.graph.nodes[key] for name, key in own.items() if name not in excluded
    }
    return [
        (name, _enclosed("\n".join(loader.collect_sql([(each, False)])), each.atomic))
        for name, each in migrations.items()
    ]


def _enclosed(sql: str, is_atomic: bool) -> str:
    return f"BEGIN;\n{sql}\nCOMMIT;" if is_atomic else sql


def findings(migrations: list[tuple[str, str]]) -> list[str]:
    """One line for each statement of the migrations that breaks a rule."""
    text, starts = "", []
    for _, sql in migrations:
        starts.append(text.count("\n"))
        # squawk knows the tables that are created in the same transaction.
        text += re.sub(r"^(BEGIN|COMMIT);$", "", sql, flags=re.MULTILINE) + "\n"
    options = ["--reporter=json", f"--pg-version={OLDEST_POSTGRES}", "--assume-in-transaction"]
    done = subprocess.run(  # noqa: S603  # the program beside this Python
        [Path(sys.executable).with_name("squawk"), *options, "--stdin-filepath=migrations.sql"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = []
    for violation in json.loads(done.stdout):
        name, _ = migrations[bisect(starts, violation["line"]) - 1]
        rule = violation["rule_name"]
        if rule in RULES and (name, rule) not in ACCEPTED:
            statement = text.splitlines()[violation["line"]].strip()
            lines.append(f"{name}: {rule} ({RULES[rule]}): {statement[:100]}")
    return list(dict.fromkeys(lines))


def unrepeatable(migrations: list[tuple[str, str]]) -> list[str]:
    """One line for each statement outside of a transaction that may fail when it is repeated."""
    return [
        f"{name}: fails when it is run again after an interruption: {statement[:100]}"
        for name, sql in migrations
        if not sql.startswith("BEGIN;")
        for before, statement in pairwise(["", *_statements(sql)])
        if not _is_repeatable(statement, before)
    ]


def _is_repeatable(statement: str, before: str) -> bool:
    """An interrupted build leaves an invalid index, so the statement before has to drop it."""
    built = re.match(r"CREATE INDEX CONCURRENTLY (\S+) ON [^;]*$", statement)
    if built:
        return before == f"DROP INDEX CONCURRENTLY IF EXISTS {built[1]}"
    return REPEATABLE.fullmatch(statement) is not None


def _statements(sql: str) -> list[str]:
    code = re.sub(r"^--.*$", "", sql, flags=re.MULTILINE)
    return [" ".join(each.split()) for each in re.split(r";(?=\s|$)", code) if each.strip()]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
