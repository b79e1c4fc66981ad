"""A deployment whose parts fail one after another under load.

`python -m benchmarks.outages` needs root, and Debian's packages of PostgreSQL, PgBouncer, Redis and
nginx.
"""
