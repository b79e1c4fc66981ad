"""The errors of accounts, with what clients read about them."""

from config.errors import DomainError


class InvalidCredentials(DomainError):
    code = "invalid_credentials"
    status = 401
    title = "Wrong e-mail address, user name or password"
    detail = "Check the address or user name and the password."
    help = (
        "No active account has this address or user name together with this password. The response "
        "does not reveal which of the two is wrong."
    )


class InvalidOrExpiredLink(DomainError):
    code = "invalid_or_expired_link"
    status = 400
    title = "The link does not work"
    detail = "The link is wrong, was used before or is too old. Ask for a new one."
    help = (
        "The token is from a link in an e-mail. Such a link works once and for a limited time. It "
        "ends early when a newer link was used, or when the password or the address has changed. "
        "Request a new one: POST /api/email/verify/resend/ or POST /api/password/reset/."
    )


class KeyLimit(DomainError):
    code = "key_limit"
    status = 409
    title = "Too many API keys"
    detail = "Delete a key that you no longer need, then create another one."
    help = (
        "An account has a limited number of API keys, which is the member maximum. Expired keys do "
        "not count. DELETE /api/me/keys/{id}/ ends one."
    )
    example = {"maximum": 25}
