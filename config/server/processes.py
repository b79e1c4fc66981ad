"""The processes of the web server, each with a listening socket of its own."""

import socket
from collections.abc import Callable

from uvicorn import Config
from uvicorn.supervisors.multiprocess import Multiprocess, Process


def listening_sockets(host: str, port: int, *, count: int, backlog: int) -> list[socket.socket]:
    """Sockets at one address, among which the kernel deals new connections (SO_REUSEPORT).

    Raises `OSError` where the address cannot be had, also from another server of the same user,
    which would share it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    socket.create_server((host, port), family=family).close()
    return [
        socket.create_server((host, port), family=family, backlog=backlog, reuse_port=True)
        for _ in range(count)
    ]


class Processes(Multiprocess):
    """uvicorn's supervisor with one socket for each process.

    Of a socket that is shared, the process that wakes first accepts all connections that have come:
    often all of a proxy's, and the other processes idle. The sockets stay open here, so whoever
    waits at one meets the process that replaces the last.
    """

    def __init__(self, config: Config, listening: list[socket.socket]) -> None:
        self._listening = listening
        self._slot = 0
        super().__init__(config, listening)

    @property
    def sockets(self) -> list[socket.socket]:
        """For the process that uvicorn makes next."""
        return [self._listening[self._slot]]

    @sockets.setter
    def sockets(self, sockets: list[socket.socket]) -> None:
        """They are known before uvicorn sets them."""

    def init_processes(self) -> None:
        for slot in range(self.processes_num):
            self._slot = slot
            process = Process(self.config, self.sockets)
            process.start()
            self.processes.append(process)

    def keep_subprocess_alive(self) -> None:
        for slot in range(self.processes_num):
            self._replace(slot, super().keep_subprocess_alive)

    def restart_all(self) -> None:
        for slot in range(self.processes_num):
            old = self.processes[slot]
            self._replace(slot, super().restart_all)
            if self.processes[slot] is old:
                return  # the new one did not start

    def _replace(self, slot: int, method: Callable[[], None]) -> None:
        """Let uvicorn look at one process alone, whose socket is known."""
        every = self.processes
        self._slot, self.processes = slot, [every[slot]]
        try:
            method()
        finally:
            every[slot] = self.processes[0]
            self.processes = every

    def handle_ttin(self) -> None:
        """WEB_CONCURRENCY says how many processes there are."""

    def handle_ttou(self) -> None:
        """WEB_CONCURRENCY says how many processes there are."""
