"""DRF's pagination by `keyset`: query parameters in, rows and links out."""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from typing import Any, Protocol

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from ..bounded_cache import MAX_CACHED_LENGTH
from ..sql.compiled_queries import fetch
from ..staff_rights import rights_key
from .keyset import DEFAULT_PAGE_SIZE, Cursor, Ordering, Page, read_cursor

MAX_PAGE_SIZE = 100
_NO_FILTERS = {"cursor", "page_size", "count", "ordering", "format", "timezone"}


class OrderedView(Protocol):
    """A view with orderings by name, and a default among them."""

    @property
    def orderings(self) -> Mapping[str, Ordering]: ...

    def default_ordering(self, request: Request) -> str: ...


class KeysetPagination(BasePagination):
    parameters: tuple[str, ...] = ("cursor", "page_size", "count", "ordering")

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        """The rows of one page. `queryset` may be a function that returns the queryset.

        Such a function is called only where the page's query is not cached. It must depend on
        nothing but the view, its address, the viewer and the query parameters.
        """
        make: Callable[[], QuerySet[Any]] = queryset if callable(queryset) else lambda: queryset
        page = read_page(request, view)
        self.count = make().count() if page.is_counted else None
        if callable(queryset) and is_cacheable(request):
            filters = read_filters(request)
            key = page.key(tuple(view.kwargs.items()), viewer_key(request), filters)
            fetched = fetch(
                key,
                lambda position: page.query(make(), position),
                page.position,
                prepare=not filters,
                viewer=request.user,
            )
        else:
            fetched = list(page.query(make(), page.position))
        rows, self.links = page.cut(fetched, page.ordering.position_of)
        return rows

    def get_paginated_response(self, data: Iterable[Any]) -> Response:
        counted = {} if self.count is None else {"count": self.count}
        return Response({**self.links, **counted, "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {
                "next": {
                    **link,
                    "description": "The following page, null on the last one.",
                    "example": "http://localhost:8000/api/events/?cursor=WyJzdGFydF90aW1l",
                },
                "previous": {
                    **link,
                    "description": "The page before, null on the first one.",
                    "example": None,
                },
                "count": {
                    "type": "integer",
                    "description": "With `?count=true` only.",
                    "example": 1,
                },
                "results": schema,
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        def parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
            return {
                "name": name,
                "in": "query",
                "required": False,
                "schema": schema,
                "description": description,
            }

        return [
            parameter("cursor", {"type": "string"}, "Taken from `next` or `previous`."),
            parameter(
                "page_size",
                {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_PAGE_SIZE,
                    "default": DEFAULT_PAGE_SIZE,
                },
                "Rows on a page.",
            ),
            parameter("count", {"type": "boolean", "default": False}, "Also count all rows."),
            parameter(
                "ordering",
                {"type": "string", "enum": list(view.orderings)},
                "What the rows are sorted by; `-` is descending.",
            ),
        ]


def _refusal(field: str, code: str, detail: str) -> ValidationError:
    return ValidationError({field: [ErrorDetail(detail, code)]})


def _read_size(request: Request) -> int:
    text = request.query_params.get("page_size")
    if text is None:
        return DEFAULT_PAGE_SIZE
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise _refusal("page_size", "invalid", f"Send a whole number from 1 to {MAX_PAGE_SIZE}.")
    if not 1 <= int(text) <= MAX_PAGE_SIZE:
        code = "max_value" if int(text) else "min_value"
        raise _refusal("page_size", code, f"Send a whole number from 1 to {MAX_PAGE_SIZE}.")
    return int(text)


def read_flag(request: Request, name: str, *, default: bool = False) -> bool:
    text = request.query_params.get(name, str(default)).lower()
    if text not in {"true", "false", "1", "0"}:
        raise _refusal(name, "invalid", "Send true or false.")
    return text in {"true", "1"}


def read_page(request: Request, view: OrderedView) -> Page:
    size, is_counted = _read_size(request), read_flag(request, "count")
    name, list_name = read_ordering(request, view), type(view).__qualname__
    cursor = read_cursor(request.query_params.get("cursor"), list_name, name)
    url = request.build_absolute_uri()
    return Page(url, list_name, name, view.orderings[name], size, cursor, is_counted)


def read_ordering(request: Request, view: OrderedView) -> str:
    name = request.query_params.get("ordering")
    if name is None or (name == "relevance" and not request.query_params.get("search", "").strip()):
        return view.default_ordering(request)
    if name not in view.orderings:
        known = ", ".join(view.orderings)
        raise _refusal("ordering", "invalid_choice", f"Choose one of: {known}.")
    needed = view.orderings[name].needs
    if needed and needed not in request.query_params:
        raise _refusal(needed, "required", f"The ordering {name} needs it.")
    return name


def is_cacheable(request: Request) -> bool:
    """Whether the query string is short enough to be part of a cache key."""
    return len(request.META.get("QUERY_STRING", "")) <= MAX_CACHED_LENGTH


def read_filters(request: Request, *, but: Collection[str] = ()) -> tuple[Any, ...]:
    """The query parameters that select rows, except `but`, and the zone in which days begin.

    Empty without such a parameter.
    """
    parameters = request.query_params
    if not parameters:
        return ()
    ignored = _NO_FILTERS.union(but)
    filters = tuple((name, *parameters.getlist(name)) for name in parameters if name not in ignored)
    return filters and (*filters, str(timezone.get_current_timezone()))


def viewer_key(request: Request) -> tuple[Hashable] | None:
    """All that the SQL depends on by the viewer, beside the id. None for a guest."""
    user = request.user
    return (rights_key(user),) if user.is_authenticated else None


def read_note(request: Request) -> Any:
    """The note in the request's cursor. None on a first page."""
    text = request.query_params.get("cursor")
    return None if text is None else Cursor.decode(text).note
