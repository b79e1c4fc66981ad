"""What a process that runs for long catches while its database is unavailable."""

from django.db import InterfaceError, InternalError, OperationalError

# InternalError: the server is read-only after a fail-over (25006). Another connection may find the
# one that takes its place.
DATABASE_UNAVAILABLE = (OperationalError, InterfaceError, InternalError)
