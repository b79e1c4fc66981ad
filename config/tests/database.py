"""A pytest plugin, loaded before the settings: gives the tests a private PostgreSQL of their own.

It never waits for the disk, so a crash of the machine may damage its data: delete `.data/tests`
then.
"""

import os
from pathlib import Path

os.environ.setdefault("DATA_DIR", str(Path(__file__).resolve().parents[2] / ".data/tests"))
