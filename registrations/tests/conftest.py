import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from registrations.tests.deployment import Deployment


@pytest.fixture(scope="session")
def migrated(tmp_path_factory) -> Iterator[Deployment]:
    """A deployment with an empty database, which has stopped."""
    if not Path("/proc/self/task").exists():
        pytest.skip("finds the processes to kill in /proc")
    directory = tmp_path_factory.mktemp("migrated")
    directory.chmod(0o755)
    deployment = Deployment(directory / "data")
    deployment.manage("migrate", "--verbosity", "0")
    stop(deployment)
    yield deployment
    shutil.rmtree(deployment.postgres.base, ignore_errors=True)


@pytest.fixture
def deployment(migrated, tmp_path) -> Iterator[Deployment]:
    """A deployment with a copy of the empty database, which takes a tenth of the time to make."""
    tmp_path.chmod(0o755)
    deployment = Deployment(tmp_path / "data")
    base = deployment.postgres.base
    base.parent.mkdir(exist_ok=True)
    subprocess.run(["cp", "-a", str(migrated.postgres.base), str(base)], check=True)
    try:
        yield deployment
    finally:
        stop(deployment)
        shutil.rmtree(base, ignore_errors=True)


def stop(deployment: Deployment) -> None:
    deployment.stop()
    time.sleep(1.5)  # the supervisor leaves after its database
