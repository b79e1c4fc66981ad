"""Fields, formats and examples of the bodies about accounts."""

from .examples import USER_EXAMPLE
from .notifications import NotificationOut, ReadIn, UnreadOut
from .passwords import (
    EmailConfirmIn,
    MailedOut,
    PasswordChangeIn,
    PasswordResetConfirmIn,
    PasswordResetIn,
)
from .sign_in import RefreshIn, SessionOut, SignedInOut, SignedUpOut, SignInIn, SignUpIn, TokensOut
from .users import AccountDeletionIn, ProfileIn, UserDeletionIn, UserOut

__all__ = [
    "AccountDeletionIn",
    "EmailConfirmIn",
    "MailedOut",
    "NotificationOut",
    "PasswordChangeIn",
    "PasswordResetConfirmIn",
    "PasswordResetIn",
    "ProfileIn",
    "ReadIn",
    "RefreshIn",
    "SessionOut",
    "SignInIn",
    "SignUpIn",
    "SignedInOut",
    "SignedUpOut",
    "TokensOut",
    "USER_EXAMPLE",
    "UnreadOut",
    "UserDeletionIn",
    "UserOut",
]
