import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from registrations.tests.house import House


@pytest.fixture
def house(tmp_path) -> Iterator[House]:
    if not Path("/proc/self/task").exists():
        pytest.skip("finds the processes to kill in /proc")
    tmp_path.chmod(0o755)
    house = House(tmp_path / "data")
    try:
        yield house
    finally:
        house.stop()
        time.sleep(1.5)  # the supervisor leaves after its database
        shutil.rmtree(house.postgres.base, ignore_errors=True)
