"""Fields, formats and examples of the bodies about accounts."""

from .examples import USER_EXAMPLE
from .keys import CurrentKeyOut, FoundKeyIn, KeyEditIn, KeyIn, KeyOut, NewKeyOut, RotationIn
from .notifications import NotificationOut, ReadIn, UnreadOut
from .passwords import (
    EmailConfirmIn,
    MailedOut,
    NewPasswordIn,
    PasswordChangeIn,
    PasswordResetConfirmIn,
    PasswordResetIn,
)
from .sign_in import RefreshIn, SessionOut, SignedInOut, SignedUpOut, SignInIn, SignUpIn, TokensOut
from .users import AccountDeletionIn, ProfileIn, UserDeletionIn, UserOut

__all__ = [
    "AccountDeletionIn",
    "CurrentKeyOut",
    "EmailConfirmIn",
    "FoundKeyIn",
    "KeyEditIn",
    "KeyIn",
    "KeyOut",
    "MailedOut",
    "NewKeyOut",
    "NewPasswordIn",
    "NotificationOut",
    "PasswordChangeIn",
    "PasswordResetConfirmIn",
    "PasswordResetIn",
    "ProfileIn",
    "ReadIn",
    "RefreshIn",
    "RotationIn",
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
