"""Asks the advisory feed whether a pinned dependency has a known vulnerability.

Exits with 1 when one has. Where the feed cannot be asked it says so and exits with 0: that a
network is closed is no fault of the change at hand.
"""

import json
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
FILES = ("requirements.txt", "requirements-dev.txt", ".ci/clients/requirements.txt")


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
        return tell("Dependencies NOT CHECKED: the advisory feed could not be asked.")
    found = [
        f"{dependency['name']} {dependency['version']}: {advisory['id']}, fixed in "
        f"{', '.join(advisory['fix_versions']) or 'no version yet'}"
        for dependency in dependencies
        for advisory in dependency.get("vulns", [])
    ]
    unknown = [dependency["name"] for dependency in dependencies if "skip_reason" in dependency]
    if found:
        tell("Known vulnerabilities:", *found)
        return 1
    if len(unknown) == len(dependencies):
        return tell("Dependencies NOT CHECKED: the advisory feed knows none of them from here.")
    if unknown:
        tell(f"The advisory feed does not know: {', '.join(unknown)}.")
    return tell(f"No known vulnerability in {len(dependencies) - len(unknown)} dependencies.")


def tell(*lines: str) -> int:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
