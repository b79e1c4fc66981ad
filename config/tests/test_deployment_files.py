"""The files of docs/deployment start the same processes as the Procfile."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from config.api.http.body_limits import body_limit

PROJECT = Path(__file__).resolve().parents[2]
UNITS = PROJECT / "docs" / "deployment" / "debian"


def procfile() -> dict[str, str]:
    """The commands by the names of their processes."""
    lines = (PROJECT / "Procfile").read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines)


@pytest.mark.parametrize("name", ["web", "worker", "mailer"])
def test_unit_runs_the_command_of_the_procfile(name):
    unit = (UNITS / f"events-{name}.service").read_text()

    command = re.search(r"^ExecStart=/srv/events/\.venv/bin/(.+)$", unit, re.MULTILINE)[1]

    assert command == procfile()[name]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_units_are_valid_for_systemd(tmp_path):
    for unit in UNITS.glob("*.service"):
        # Its directory and its interpreter have to exist.
        text = unit.read_text().replace("/srv/events/.venv/bin/python", sys.executable)
        (tmp_path / unit.name).write_text(text)

    done = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", *tmp_path.iterdir()],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


def manifests() -> dict[tuple[str, str], dict]:
    """The objects of kubernetes.yaml by kind and name."""
    text = (PROJECT / "docs" / "deployment" / "kubernetes.yaml").read_text()
    return {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(text)}


def container(manifest: dict) -> dict:
    (only,) = manifest["spec"]["template"]["spec"]["containers"]
    return only


@pytest.mark.parametrize("name", ["worker", "mailer"])
def test_pod_runs_the_command_of_the_procfile(name):
    deployment = manifests()["Deployment", f"events-{name}"]

    assert " ".join(container(deployment)["command"]) == procfile()[name]


def test_release_phase_and_migration_job_migrate():
    job = manifests()["Job", "events-migrate-1-0-0"]

    assert " ".join(container(job)["command"]) == procfile()["release"]


def test_web_pod_runs_the_command_of_the_image_and_is_probed():
    web = container(manifests()["Deployment", "events-web"])

    paths = {name: web[f"{name}Probe"]["httpGet"]["path"] for name in ("liveness", "readiness")}
    assert "command" not in web
    assert paths == {"liveness": "/healthz", "readiness": "/readyz"}


def test_pods_without_a_port_are_probed_by_the_file_that_they_touch():
    objects = manifests()
    path = objects["ConfigMap", "events"]["data"]["LIVENESS_PATH"]

    for name in ("events-worker", "events-mailer"):
        (*_, script) = container(objects["Deployment", name])["livenessProbe"]["exec"]["command"]
        assert f"find {path} " in script


def test_manifests_set_documented_variables_only():
    documented = (PROJECT / "docs" / "configuration.md").read_text()

    names = manifests()["ConfigMap", "events"]["data"]

    assert {name for name in names if f"| `{name}` |" not in documented} == set()


def test_services_and_scaling_select_existing_pods():
    objects = manifests()
    web = objects["Deployment", "events-web"]

    labels = web["spec"]["template"]["metadata"]["labels"]
    scaled = objects["HorizontalPodAutoscaler", "events-web"]["spec"]["scaleTargetRef"]

    assert objects["Service", "events-web"]["spec"]["selector"] == labels
    assert (scaled["kind"], scaled["name"]) in objects


def test_proxies_pass_on_the_largest_body():
    (of_nginx,) = re.findall(r"client_max_body_size (\d+)m;", (UNITS / "nginx.conf").read_text())
    (of_caddy,) = re.findall(r"max_size (\d+)MB", (UNITS.parent / "debian.md").read_text())

    largest = max(
        body_limit(f"/api/events/{path}/") for path in ("bulk", "import", "1/image", "1/register")
    )
    assert min(int(of_nginx) * 1024**2, int(of_caddy) * 1000**2) >= largest
