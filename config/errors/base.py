"""The base class of all errors that a client can receive."""

from collections.abc import Iterator
from typing import Any, ClassVar


class DomainError(Exception):
    """A refused request, with a message that says what to do next.

    `facts` are members added to the problem document (RFC 9457, section 3.2), such as
    `max_capacity`. `help` is the text of the page at `/problems/<name>`. `retry_after` is the
    number of seconds in the header Retry-After (RFC 9110, section 10.2.3).
    """

    code: ClassVar[str]
    status: ClassVar[int]
    title: ClassVar[str]
    detail: ClassVar[str]
    help: ClassVar[str]
    example: ClassVar[dict[str, Any]] = {}
    retry_after: int | None = None

    def __init__(
        self,
        detail: str = "",
        *,
        headers: dict[str, str] | None = None,
        retry_after: int | None = None,
        **facts: Any,
    ) -> None:
        self.message = detail or self.detail
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.retry_after = retry_after
        if self.retry_after is not None:
            self.headers["Retry-After"] = str(self.retry_after)
        self.facts = facts
        super().__init__(self.message)

    @classmethod
    def slug(cls) -> str:
        """The name in the problem's address: `event_full` is at `/problems/event-full`."""
        return cls.code.replace("_", "-")


def all_errors() -> Iterator[type[DomainError]]:
    """Every error that has a code, in the order of status and code."""
    errors: list[type[DomainError]] = []
    stack = list(DomainError.__subclasses__())
    while stack:
        error = stack.pop()
        stack.extend(error.__subclasses__())
        if "code" in vars(error):
            errors.append(error)
    return iter(sorted(errors, key=lambda error: (error.status, error.code)))
