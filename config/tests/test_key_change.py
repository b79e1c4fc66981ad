"""A change of the secret key. Each use of a key below is a process of its own, as in production."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from config import settings

OLD = "0123456789-old-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMN"
NEW = "9876543210-new-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMN"
OTHER = "5555543210-other-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJ"


def run(*arguments: str, key: str, fallbacks: str = "") -> dict:
    done = subprocess.run(
        [sys.executable, "-m", "config.tests.key_change", *arguments],
        cwd=Path(settings.__file__).parents[1],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONDONTWRITEBYTECODE": "1",
            "DATABASE_URL": "postgresql://nobody:secret@db.example.org/events",
            "SECRET_KEY": key,
            "SECRET_KEY_FALLBACKS": fallbacks,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def signed() -> dict[str, str]:
    return run("sign", key=OLD)


@pytest.mark.parametrize("fallbacks", [OLD, f"{OTHER}, {OLD}"])
def test_signature_of_a_fallback_key_is_valid(signed, fallbacks):
    read = run("read", json.dumps(signed), key=NEW, fallbacks=fallbacks)

    assert read == dict.fromkeys(signed, True)


def test_signature_of_a_removed_key_is_invalid(signed):
    read = run("read", json.dumps(signed), key=NEW, fallbacks=OTHER)

    assert read == dict.fromkeys(signed, False)


def test_the_new_key_signs(signed):
    again = run("sign", key=NEW, fallbacks=OLD)

    read = run("read", json.dumps(again), key=NEW)
    assert read == dict.fromkeys(again, True)
    assert {name for name in again if again[name] == signed[name]} == set()
