"""The web server: `python -m config.server` starts it (the Procfile's `web`).

Python's WSGI servers read bodies in the threads that do the work, so a few clients that send half
a body hold all of them. Here one event loop per process has every connection, and a thread has a
request only from its last byte on until its response is made:

- `http1` parses heads and bodies strictly (RFC 9112). HTTP/2 is left to the proxy in front.
- `connection` is one client: its deadlines, its requests one after another, what it is sent.
- `front` holds the connections of a process and says who handles a request: the loop itself
  (`/healthz`, streams of seats), a thread for `/readyz`, the pool for all else.
- `pool` runs the WSGI application in a bounded number of threads.
- `worker` is one process; `supervisor` starts, watches and replaces them.

docs/decisions.md compares this with other servers, with figures.
"""
