"""Error reports to Sentry, if `SENTRY_DSN` is set, without personal data.

A report has the exception with its stack, the route and the request id. It has no bodies, queries,
cookies, addresses, local variables and users. E-mail addresses in messages are masked. Messages of
PostgreSQL, which can contain values of rows, are replaced by their SQLSTATE.
"""

import re
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from config.api.request_ids import current_request_id

_MISSING = "SENTRY_DSN must be unset, or run: pip install -r requirements-monitoring.txt"

_MAILBOX = re.compile(r"[^\s<>()\"'=,;:]+@[^\s<>()\"'=,;:]+")
# PostgreSQL's further lines have the values of rows and parameters.
_DETAILS = re.compile(r"\n?(?:DETAIL|CONTEXT|HINT|LINE \d+):.*", re.DOTALL)


def start(dsn: str, release: str) -> None:
    """Raises `ImproperlyConfigured` for an invalid DSN, and without the optional package."""
    try:
        import sentry_sdk  # noqa: PLC0415  # an optional package
        from sentry_sdk.utils import BadDsn, Dsn  # noqa: PLC0415
    except ImportError as error:
        raise ImproperlyConfigured(_MISSING) from error
    try:
        Dsn(dsn)
    except BadDsn as error:
        raise ImproperlyConfigured("SENTRY_DSN must look like https://key@host/1") from error
    sentry_sdk.init(
        dsn,
        release=release or None,
        before_send=scrub,  # type: ignore[arg-type]  # its type of an event has no further keys
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        auto_session_tracking=False,
    )


def scrub(event: dict[str, Any], hint: dict[str, Any]) -> dict[str, Any]:
    """The event without personal data. The SDK calls this for each one."""
    for name in ("user", "request", "breadcrumbs", "extra"):
        event.pop(name, None)
    if event.get("transaction_info", {}).get("source") == "url":  # a path, not a route
        event.pop("transaction", None)
    request_id = current_request_id()
    if request_id:
        event.setdefault("tags", {})["request_id"] = request_id
    for exception in event.get("exception", {}).get("values", ()):
        exception["value"] = _message(exception, hint)
    if "logentry" in event:
        entry = event["logentry"]
        event["logentry"] = {"message": masked(entry.get("formatted") or entry.get("message", ""))}
    return event


def _message(exception: dict[str, Any], hint: dict[str, Any]) -> str:
    module = (exception.get("module") or "").partition(".")[0]
    if module in {"psycopg", "psycopg_pool"} or exception.get("module") == "django.db.utils":
        return _sqlstate((hint.get("exc_info") or (None, None, None))[1])
    return masked(exception.get("value") or "")


def _sqlstate(error: BaseException | None) -> str:
    """The code of the first database error among `error` and its causes (PostgreSQL, app. A)."""
    while error is not None:
        if state := getattr(error, "sqlstate", None):
            return f"SQLSTATE {state}"
        error = error.__cause__ or error.__context__
    return ""


def masked(text: str) -> str:
    return _MAILBOX.sub("[address]", _DETAILS.sub("", text))
