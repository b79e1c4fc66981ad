"""The web server: `python -m config.server` starts it (the Procfile's `web`).

Python's WSGI servers read bodies in their worker threads, so a few clients that send half a body
occupy all of them. Here uvicorn's event loop has every connection. A thread has a request only from
the last byte of its body until its response exists:

- `protocol` adds limits that uvicorn's HTTP/1.1 lacks: for heads, idle connections and responses
  that a client does not read. HTTP/2 is left to a proxy in front.
- `front`, an ASGI application, collects bodies under a deadline and dispatches requests to the loop
  itself (`/healthz`, streams of seats), a separate thread (`/readyz`) or the pool (all others).
- `processes` gives each process a listening socket of its own.
- `wsgi` runs Django in these threads.

docs/decisions/server.md compares this with other servers, with figures.
"""
