"""What receives the e-mails and the webhooks of the deployment."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from aiosmtpd.controller import Controller

from config.tests.server import free_port


class MailReceiver:
    """A mail server that accepts everything and counts by recipient."""

    def __init__(self) -> None:
        self.recipients: list[str] = []
        self.port = free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)

    def start(self) -> None:
        self._controller.start()

    def stop(self) -> None:
        self._controller.stop(no_assert=True)

    async def handle_DATA(  # noqa: N802  # aiosmtpd calls it
        self, server: object, session: object, envelope: object
    ) -> str:
        self.recipients += envelope.rcpt_tos  # type: ignore[attr-defined]
        return "250 OK"


class HookReceiver:
    """An HTTP server that accepts every webhook and stores the ids of the objects in it."""

    def __init__(self) -> None:
        self.told: dict[str, set[str]] = {}
        """The ids of the objects by the type of change."""
        self.received = 0
        self.port = free_port()
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), _handler(self))
        Thread(target=self._server.serve_forever, name="hooks", daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def take(self, change: dict) -> None:
        self.received += 1
        if change["data"]:
            self.told.setdefault(change["type"], set()).add(str(change["data"]["id"]))


def _handler(receiver: HookReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.take(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Nothing."""

    return Handler
