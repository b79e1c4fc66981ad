from pathlib import Path

import pytest

from accounts.notifications.kinds import _KINDS
from accounts.tests.kinds import ALL


@pytest.fixture
def note_kinds(settings, monkeypatch) -> None:
    """The kinds of `accounts.tests.kinds`, beside the real ones."""
    [engine] = settings.TEMPLATES
    directories = [*engine["DIRS"], Path(__file__).parent / "templates"]
    settings.TEMPLATES = [{**engine, "DIRS": directories}]
    for kind in ALL:
        monkeypatch.setitem(_KINDS, kind.name, kind)
