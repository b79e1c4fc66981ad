from config.errors import DomainError


class InvalidCredentials(DomainError):
    code = "invalid_credentials"
    status = 401
    title = "Wrong e-mail address, user name or password"
    detail = "Check the address or user name and the password."
    help = (
        "No active account has this address or user name together with this password. Which of "
        "the two is wrong is not told."
    )


class InvalidOrExpiredLink(DomainError):
    code = "invalid_or_expired_link"
    status = 400
    title = "The link does not work"
    detail = "The link is wrong, was used before or is too old. Ask for a new one."
    help = (
        "The token came from a link in an e-mail. Such a link works once and for a limited time, "
        "and ends early when what it was for has changed: a newer link was used, the password or "
        "the address is another one by now. Ask for a new one: POST /api/email/verify/resend/ or "
        "POST /api/password/reset/."
    )
