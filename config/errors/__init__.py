"""Errors that a client can receive, each with a code, a status and facts. Plain Python.

Each is a subclass of `DomainError`. Its `code` is part of the contract. An app declares its own
errors in its `errors.py`.
"""

from .base import DomainError, all_errors
from .fields import FIELD_CODES, FieldError, UnknownParameter, ValidationFailed
from .protocol import (
    CursorExpired,
    IdempotencyInProgress,
    IdempotencyKeyReused,
    InsufficientScope,
    InvalidCursor,
    InvalidTimezone,
    InvalidToken,
    KeyNotAllowed,
    MalformedRequest,
    MethodNotAllowed,
    NotAcceptable,
    NotAuthenticated,
    NotFound,
    PayloadTooLarge,
    PermissionDenied,
    PreconditionFailed,
    RateLimited,
    RequestTimeout,
    ServerError,
    TemporarilyUnavailable,
    UnsupportedMediaType,
)

__all__ = [
    "CursorExpired",
    "DomainError",
    "FIELD_CODES",
    "FieldError",
    "IdempotencyInProgress",
    "IdempotencyKeyReused",
    "InsufficientScope",
    "InvalidCursor",
    "InvalidTimezone",
    "InvalidToken",
    "KeyNotAllowed",
    "MalformedRequest",
    "MethodNotAllowed",
    "NotAcceptable",
    "NotAuthenticated",
    "NotFound",
    "PayloadTooLarge",
    "PermissionDenied",
    "PreconditionFailed",
    "RateLimited",
    "RequestTimeout",
    "ServerError",
    "TemporarilyUnavailable",
    "UnknownParameter",
    "UnsupportedMediaType",
    "ValidationFailed",
    "all_errors",
]
