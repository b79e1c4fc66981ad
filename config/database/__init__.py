"""Django's database backend for this project: `ENGINE` in the settings."""

import threading

# For one attempt to connect, including the time that a busy server needs for other connections.
CONNECT_SECONDS = 4
# For one operation of a request. It is more than the limit of a statement, by which a server that
# responds ends a statement itself.
MAX_BLOCKED_SECONDS = 13.0


class RequestThreads(threading.local):
    """Whether the current thread handles requests of the web server."""

    is_current = False


request_threads = RequestThreads()
