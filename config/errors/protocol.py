"""The errors of HTTP and of the conventions of this API."""

from .base import DomainError


class MalformedRequest(DomainError):
    code = "malformed_request"
    status = 400
    title = "Malformed request"
    detail = "The body could not be read. Send valid JSON in UTF-8."
    help = (
        "The body is not what its Content-Type says: JSON with a syntax error, which is at the "
        "members line and column, or JSON that was sent as a form, since curl and others say so "
        "unless they are told the header Content-Type: application/json."
    )
    example = {"line": 3, "column": 17}


class InvalidTimezone(DomainError):
    code = "invalid_timezone"
    status = 400
    title = "Unknown time zone"
    detail = "Name a zone of the IANA database, such as Asia/Kolkata."
    help = (
        "The query parameter timezone or the header Time-Zone names a zone that does not exist. "
        "Use a name of the IANA time zone database, such as Europe/Berlin or UTC."
    )


class CursorExpired(DomainError):
    code = "cursor_expired"
    status = 410
    title = "Cursor expired"
    detail = "The changes after this cursor are no longer stored. Start again with from=start."
    help = (
        "Changes are stored for a limited time, 90 days by default, and the log begins anew when a "
        "backup of the database is restored. Read the objects that you need as they are now, then "
        "follow the changes with from=now."
    )


class InvalidCursor(DomainError):
    code = "invalid_cursor"
    status = 400
    title = "Invalid cursor"
    detail = "Start again from the first page and follow the links next and previous."
    help = (
        "The parameter cursor was not made by this API, or belongs to another ordering. "
        "Cursors are opaque: take them from the links next and previous only."
    )


class NotAuthenticated(DomainError):
    code = "not_authenticated"
    status = 401
    title = "Sign in first"
    detail = "Send an access token in the header Authorization: Bearer <token>."
    help = "The route needs a signed-in user. POST /api/login/ gives an access token."


class InvalidToken(DomainError):
    code = "invalid_token"
    status = 401
    title = "The token is not valid"
    detail = "The token is wrong, expired or was ended. Refresh it or sign in again."
    help = (
        "The token was not issued by this API, has expired, was used before (refresh tokens work "
        "once), or ended with a logout or a change of password. POST /api/token/refresh/ gives a "
        "new one; otherwise sign in again. The same applies to an API key that is unknown, "
        "expired or revoked; its owner creates another one."
    )


class PermissionDenied(DomainError):
    code = "permission_denied"
    status = 403
    title = "Not allowed"
    detail = "Your account may not do this."
    help = "The row exists, and you may see it, but what you tried is for its owner or for staff."


class InsufficientScope(DomainError):
    code = "insufficient_scope"
    status = 403
    title = "The key lacks a scope"
    detail = "Use a key with the scope that is in required_scope."
    help = (
        "The API key does not have the scope that the route needs, which is the member "
        "required_scope. The scopes of a key cannot be widened. Create another key with "
        "POST /api/me/keys/."
    )
    example = {"required_scope": "registrations:read"}


class KeyNotAllowed(DomainError):
    code = "key_not_allowed"
    status = 403
    title = "Closed to API keys"
    detail = "API keys have no access to this route. Sign in, and send an access token."
    help = (
        "The route is about an account: its profile, password, sessions, registrations, "
        "notifications, data, keys or teams. API keys never have access to it. POST /api/login/ "
        "gives an access token."
    )


class NotFound(DomainError):
    code = "not_found"
    status = 404
    title = "Not found"
    detail = "There is nothing at this address, or you may not see it."
    help = (
        "No such route or row; a row that you may not see looks the same as one that is not there."
    )


class MethodNotAllowed(DomainError):
    code = "method_not_allowed"
    status = 405
    title = "Method not allowed"
    detail = "The header Allow lists the methods of this route."
    help = "The route exists but does not know this HTTP method. See the header Allow."


class RequestTimeout(DomainError):
    code = "request_timeout"
    status = 408
    title = "The request took too long to arrive"
    detail = "The body stopped, or came too slowly. Send the request again, on a new connection."
    help = (
        "The body did not arrive in time. Slow lines are welcome, but some of it has to arrive "
        "every few seconds, and the whole within minutes."
    )


class NotAcceptable(DomainError):
    code = "not_acceptable"
    status = 406
    title = "Not acceptable"
    detail = "This route answers in application/json; send Accept: application/json."
    help = "The header Accept rules out everything that the route can answer with."


class IdempotencyInProgress(DomainError):
    code = "idempotency_in_progress"
    status = 409
    retry_after = 1
    title = "The same request is in progress"
    detail = "A request with this Idempotency-Key is still running. Try again shortly."
    help = (
        "Another request with the same Idempotency-Key has not finished. Wait for the seconds in "
        "Retry-After and send it again: you will get the first request's answer."
    )


class PreconditionFailed(DomainError):
    code = "precondition_failed"
    status = 412
    title = "It was edited since you read it"
    detail = "Read it again, apply your change to what it is now, and send the new ETag."
    help = (
        "The header If-Match names a version that is no longer the current one: somebody edited "
        "the row after you read it. Nothing was changed."
    )


class PayloadTooLarge(DomainError):
    code = "payload_too_large"
    status = 413
    title = "The body is too large"
    detail = "Send a smaller body."
    help = "The body exceeds the limit in the member max_bytes."
    example = {"max_bytes": 2097152}


class UnsupportedMediaType(DomainError):
    code = "unsupported_media_type"
    status = 415
    title = "Unsupported media type"
    detail = "Send the body as application/json."
    help = (
        "The route does not read bodies of the Content-Type that was sent. The member media_types "
        "and the header Accept of the response list those that it reads."
    )
    example = {"media_types": ["application/json", "multipart/form-data"]}


class IdempotencyKeyReused(DomainError):
    code = "idempotency_key_reused"
    status = 422
    title = "The Idempotency-Key was used for another request"
    detail = "Use a new Idempotency-Key for a new request."
    help = (
        "Within 24 hours a key stands for one request. The same key came with another body; "
        "nothing was done."
    )


class RateLimited(DomainError):
    code = "rate_limited"
    status = 429
    title = "Too many requests"
    detail = "Wait for the seconds in Retry-After, then try again."
    help = "You sent more requests in a short time than the route allows."


class ServerError(DomainError):
    code = "server_error"
    status = 500
    title = "Something went wrong here"
    detail = "The fault is ours. Try again; if it stays, tell us the request_id."
    help = "An unexpected fault. It was logged with the request_id that the answer carries."


class TemporarilyUnavailable(DomainError):
    code = "temporarily_unavailable"
    status = 503
    # A lock or a row that changed meanwhile. Where the server is busy, it is raised with more.
    retry_after = 1
    title = "Temporarily unavailable"
    detail = "The service is busy or restarting. Try again after the seconds in Retry-After."
    help = (
        "The database was not reachable, a lock was not free in time, or the server does as much "
        "expensive work as it may at once. Nothing was changed. "
        "Wait for the seconds in Retry-After and send the request again, best with the same "
        "Idempotency-Key."
    )
