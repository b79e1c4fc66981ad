"""The web server: `python -m config.server` starts it (the Procfile's `web`).

Python's WSGI servers read bodies in the threads that do the work, so a few clients that send half
a body hold all of them. Here uvicorn's event loop has every connection, and a thread has a request
only from the last byte of its body on until its response is made:

- `protocol` adds to uvicorn's HTTP/1.1 the limits that it lacks: for heads, idle connections and
  responses that a client does not take. HTTP/2 is left to the proxy in front.
- `front`, an ASGI application, collects bodies under a deadline and decides who responds: the loop
  itself (`/healthz`, streams of seats), a thread of its own (`/readyz`), the pool (all else).
- `processes` gives each process a listening socket of its own.
- `wsgi` runs Django in these threads.

docs/decisions/server.md compares this with other servers, with figures.
"""
