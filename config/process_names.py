"""The name under which a process appears in the database and in its log lines."""

from pathlib import Path

_KINDS = {
    "server": "web",
    "procrastinate": "worker",
    "deliver_notifications": "mailer",
}
_MAX_LENGTH = 63  # PostgreSQL cuts longer names of applications


def process_name(arguments: list[str]) -> str:
    """`events-web`, `events-worker`, `events-mailer`, or `events-` and the command.

    `arguments` are those of `sys.argv`.
    """
    program = Path(arguments[0] if arguments else "")
    command = program.parent.name if program.name == "__main__.py" else program.stem
    if program.name == "manage.py" and len(arguments) > 1:
        command = arguments[1]
    return f"events-{_KINDS.get(command, command or 'python')}"[:_MAX_LENGTH]
