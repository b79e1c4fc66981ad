"""How long a client may take, and how much it may hold."""

from dataclasses import dataclass

from django.conf import settings


@dataclass(frozen=True)
class Limits:
    """Seconds and bytes; docs/configuration.md explains each."""

    connections: int  # of a process
    head_seconds: float
    idle_seconds: float
    body_seconds: float
    body_bytes_per_second: int
    # Nothing of a body arrives for so long, or nothing has at its beginning.
    body_pause_seconds: float = 20
    # A client takes nothing of its response for so long.
    send_seconds: float = 300
    # After a response that leaves a body unread, until the client has stopped sending.
    linger_seconds: float = 5
    # Requests of a process that wait for a thread. More are answered 503 at once: at a few
    # hundred requests a second who comes after these would wait for seconds.
    queue: int = 512
    # Of all bodies together that a process is receiving.
    receiving_bytes: int = 512 * 1024 * 1024
    # For requests that have begun, when the process is to end.
    stop_seconds: float = 20


def limits_of_settings() -> Limits:
    return Limits(
        connections=settings.WEB_CONNECTIONS,
        head_seconds=settings.HEAD_SECONDS,
        idle_seconds=settings.IDLE_SECONDS,
        body_seconds=settings.BODY_SECONDS,
        body_bytes_per_second=settings.BODY_BYTES_PER_SECOND,
    )
