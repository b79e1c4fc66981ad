"""Asks the advisory feed whether a pinned dependency has a known vulnerability.

Exits with 1 if there is one. If the feed is unreachable, prints a message and exits with 0, since a
closed network is no fault of a change.
"""

import json
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
FILES = (
    "requirements.txt",
    "requirements-monitoring.txt",
    "requirements-dev.txt",
    ".ci/clients/requirements.txt",
)


def main() -> int:
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--no-deps"]
    command += ["--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    for name in FILES:
        command += ["--requirement", name]
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments
            command, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False
        )
        dependencies = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        return report("Dependencies NOT CHECKED: the advisory feed could not be asked.")
    vulnerabilities = [
        f"{dependency['name']} {dependency['version']}: {advisory['id']}, fixed in "
        f"{', '.join(advisory['fix_versions']) or 'no version yet'}"
        for dependency in dependencies
        for advisory in dependency.get("vulns", [])
    ]
    unknown = [dependency["name"] for dependency in dependencies if "skip_reason" in dependency]
    if vulnerabilities:
        report("Known vulnerabilities:", *vulnerabilities)
        return 1
    if len(unknown) == len(dependencies):
        return report("Dependencies NOT CHECKED: the advisory feed knows none of them from here.")
    if unknown:
        report(f"The advisory feed does not know: {', '.join(unknown)}.")
    return report(f"No known vulnerability in {len(dependencies) - len(unknown)} dependencies.")


def report(*lines: str) -> int:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
