import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from registrations.tests.deployment import Deployment


@pytest.fixture
def deployment(tmp_path) -> Iterator[Deployment]:
    if not Path("/proc/self/task").exists():
        pytest.skip("finds the processes to kill in /proc")
    tmp_path.chmod(0o755)
    deployment = Deployment(tmp_path / "data")
    try:
        yield deployment
    finally:
        deployment.stop()
        time.sleep(1.5)  # the supervisor leaves after its database
        shutil.rmtree(deployment.postgres.base, ignore_errors=True)
