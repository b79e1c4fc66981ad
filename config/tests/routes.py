"""All routes of the URL configuration, for tests that cover every one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, get_resolver

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Route:
    path: str
    view: Any  # a class, or None for a function, which answers GET

    @property
    def methods(self) -> list[str]:
        if self.view is None:
            return ["GET"]
        return [method for method in METHODS if hasattr(self.view, method.lower())]

    def address(self, kwargs: dict[str, Any], query: str = "") -> str:
        address = self.path
        for name, value in kwargs.items():
            for converter in ("id", "uuid", "slug", "str"):
                address = address.replace(f"<{converter}:{name}>", str(value))
        return f"/{address}{query}"


def routes() -> list[Route]:
    """All but the admin's, which are behind its own sign-in, and what catches the rest."""
    return [route for route in _walk(get_resolver().url_patterns, "") if "^" not in route.path]


def _walk(patterns: Any, prefix: str) -> Iterator[Route]:
    for pattern in patterns:
        path = f"{prefix}{pattern.pattern}"
        if path == "admin/":
            continue
        if isinstance(pattern, URLPattern):
            view = getattr(pattern.callback, "view_class", getattr(pattern.callback, "cls", None))
            yield Route(path, view)
        else:
            yield from _walk(pattern.url_patterns, path)
