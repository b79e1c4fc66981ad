"""Metrics of several server processes are added up."""

import os
import signal
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from config.tests.server import ServerProcess, wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("server")]


def gauges_of(server: ServerProcess) -> dict[str, float]:
    text = server.request("GET", "/metrics").body.decode()
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.labels
    }


def test_gauges_of_all_processes_are_added_up_and_those_of_a_killed_one_dropped(tmp_path):
    server = ServerProcess(
        WEB_CONCURRENCY="2", WEB_THREADS="3", PROMETHEUS_MULTIPROC_DIR=str(tmp_path)
    )
    try:
        wait_for(lambda: gauges_of(server).get("web_processes") == 2)
        assert gauges_of(server)["web_threads"] == 6
        killed, _ = server.workers()

        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: killed not in server.workers() and len(server.workers()) == 2)

        wait_for(lambda: gauges_of(server).get("web_processes") == 2)
        wait_for(lambda: gauges_of(server).get("web_threads") == 6)
        assert not Path(tmp_path / f"gauge_livesum_{killed}.db").exists()
    finally:
        server.stop()
