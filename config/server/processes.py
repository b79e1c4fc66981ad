"""The processes of the web server, each with a listening socket of its own."""

import socket
from collections.abc import Callable

from uvicorn import Config
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from config.metrics import forget_process


def listening_sockets(host: str, port: int, *, count: int, backlog: int) -> list[socket.socket]:
    """Sockets at one address, to which the kernel distributes new connections (SO_REUSEPORT).

    Raises `OSError` where the address is in use, also by another server of the same user, with
    which the kernel would share it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    socket.create_server((host, port), family=family).close()
    return [
        socket.create_server((host, port), family=family, backlog=backlog, reuse_port=True)
        for _ in range(count)
    ]


class Processes(Multiprocess):
    """uvicorn's supervisor with one socket for each process.

    With a shared socket, the first process to wake accepts all pending connections, often all of a
    proxy's, and the other processes idle. The sockets stay open in the supervisor, so a connection
    in a socket's queue is accepted by the process that replaces the last one.
    """

    def __init__(self, config: Config, listening: list[socket.socket]) -> None:
        self._listening = listening
        self._slot = 0
        super().__init__(config, listening)

    @property
    def sockets(self) -> list[socket.socket]:
        """The socket of the process that uvicorn starts next."""
        return [self._listening[self._slot]]

    @sockets.setter
    def sockets(self, sockets: list[socket.socket]) -> None:
        """Ignored, since the sockets are known before uvicorn sets them."""

    def init_processes(self) -> None:
        for slot in range(self.processes_num):
            self._slot = slot
            process = Process(self.config, self.sockets)
            process.start()
            _close_pipe_with(process)
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

    def terminate_all(self) -> None:
        """Refuse connections from now on, so that a proxy sends their requests to another host.

        In the queue of a socket that stays open, they would be lost with the last process.
        """
        for listening in self._listening:
            listening.close()
        super().terminate_all()

    def _replace(self, slot: int, method: Callable[[], None]) -> None:
        """Call a method of uvicorn on one process alone, whose socket is known."""
        every, old = self.processes, self.processes[slot]
        self._slot, self.processes = slot, [old]
        try:
            method()
        finally:
            every[slot] = self.processes[0]
            self.processes = every
        if every[slot] is not old:
            _close_pipe_with(every[slot])
            if old.pid is not None:
                forget_process(old.pid)

    def handle_ttin(self) -> None:
        """Ignored, since WEB_CONCURRENCY is the number of processes."""

    def handle_ttou(self) -> None:
        """Ignored, since WEB_CONCURRENCY is the number of processes."""


def _close_pipe_with(process: Process) -> None:
    """Let the pipe of health checks end with the process.

    uvicorn keeps the process's end open as well. If a process died during a check, its supervisor
    would read on for `timeout_worker_healthcheck`, and replace no process meanwhile.
    """
    process.child_conn.close()
