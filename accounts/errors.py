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
