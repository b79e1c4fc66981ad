"""Keyset pages: page 10,000 costs what page 1 costs, and no row is seen twice.

A cursor names the last row's place in the ordering, not a number of rows to skip. The place is a
row value `(key, id)`, compared as one (`(start_time, id) > (x, y)`), which an index on the same
columns answers without reading what comes before.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from django.core import signing
from django.db.models import BooleanField, F, Func, QuerySet, Value
from django.db.models.expressions import Combinable
from django.utils import timezone
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from config.errors import InvalidCursor

from .kept_queries import fetch

DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 100
_NO_FILTERS = {"cursor", "page_size", "count", "ordering", "format", "timezone"}
_SIGNER = signing.Signer(salt="page")


@dataclass(frozen=True)
class Ordering:
    """How rows are sorted: by an attribute of the row, then by its id, both in one direction.

    `attribute` is read from a row to make its cursor; `expression` is what the database sorts by,
    where that is not the column of the same name. `leading` is an attribute that sorts before it.
    `needs` is the parameter without which there is no such order.
    """

    attribute: str
    descending: bool = False
    expression: Combinable | None = None
    unique: str = "pk"
    leading: str = ""
    needs: str = ""

    @property
    def attributes(self) -> list[str]:
        """What a place in this ordering is made of."""
        return [name for name in (self.leading, self.attribute, self.unique) if name]

    def apply(self, queryset: QuerySet[Any], *, reverse: bool) -> QuerySet[Any]:
        if self.expression is not None:
            queryset = queryset.annotate(**{self.attribute: self.expression})
        sign = "-" if self.descending != reverse else ""
        return queryset.order_by(*(f"{sign}{name}" for name in self.attributes))

    def beyond(self, place: list[Any], *, reverse: bool) -> "RowBeyond":
        return RowBeyond(
            *(F(name) for name in self.attributes),
            *(Value(value) for value in place),
            operator="<" if self.descending != reverse else ">",
        )

    def query(
        self, queryset: QuerySet[Any], place: list[Any] | None, *, reverse: bool
    ) -> QuerySet[Any]:
        """The rows beyond the place, from the first when there is none."""
        rows = self.apply(queryset, reverse=reverse)
        if place is not None:
            rows = rows.filter(self.beyond(place, reverse=reverse))
        return rows

    def page(
        self, queryset: QuerySet[Any], place: list[Any] | None, *, reverse: bool, limit: int
    ) -> list[Any]:
        """At most `limit` rows beyond the place."""
        return list(self.query(queryset, place, reverse=reverse)[:limit])


class RowBeyond(Func):
    """`(a, b) > (x, y)`, compared as row values (SQL:1999, row value constructor)."""

    output_field = BooleanField()

    def __init__(self, *expressions: Any, operator: str) -> None:
        super().__init__(*expressions, operator=operator)

    def as_sql(self, compiler: Any, connection: Any, *args: Any, **context: Any) -> Any:
        parts, params = [], []
        for expression in self.source_expressions:
            sql, values = compiler.compile(expression)
            parts.append(sql)
            params.extend(values)
        half = len(parts) // 2
        sql = f"({', '.join(parts[:half])}) {self.extra['operator']} ({', '.join(parts[half:])})"
        return sql, params


class OrderedView(Protocol):
    """What a view offers: its orderings by name, and which one holds when none is asked for."""

    @property
    def orderings(self) -> Mapping[str, Ordering]: ...

    def default_ordering(self, request: Request) -> str: ...


@dataclass(frozen=True)
class Cursor:
    """A place in the ordering of one list; without one, the end of it that the direction begins at.

    Signed, so that nobody can make one up, and without a time, so that the same page has the same
    links, and the same ETag.

    `note` is what the list's first page found out and all later ones have to know.
    """

    list_name: str
    ordering: str
    backwards: bool
    place: list[Any]
    note: Any = None

    def encode(self) -> str:
        plain = [
            ["t", value.isoformat()] if isinstance(value, datetime) else ["v", value]
            for value in self.place
        ]
        parts = [self.list_name, self.ordering, self.backwards, plain, self.note]
        return _SIGNER.sign_object(parts)

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        try:
            list_name, ordering, backwards, plain, note = _SIGNER.unsign_object(text)
        except (signing.BadSignature, ValueError) as error:
            raise InvalidCursor from error
        place = [datetime.fromisoformat(v) if kind == "t" else v for kind, v in plain]
        return cls(list_name, ordering, backwards, place, note)


class KeysetPagination(BasePagination):
    parameters: tuple[str, ...] = ("cursor", "page_size", "count", "ordering")

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        """The rows of one page; `queryset` may be a function that makes it.

        The function is called only where the page's query is not kept yet, so it must depend on
        nothing but the view, its address, the viewer, and the parameters.
        """
        self.url = request.build_absolute_uri()
        self.size = _read_size(request)
        make: Callable[[], QuerySet[Any]] = queryset if callable(queryset) else lambda: queryset
        self.count = make().count() if read_flag(request, "count") else None
        name = read_ordering(request, view)
        ordering = view.orderings[name]
        list_name = type(view).__qualname__
        cursor = _read_cursor(request, list_name, name)
        backwards = cursor is not None and cursor.backwards
        place = (cursor and cursor.place) or None  # an empty one is from the start

        def build(place: list[Any] | None) -> QuerySet[Any]:
            rows: QuerySet[Any] = ordering.query(make(), place, reverse=backwards)
            return rows[: self.size + 1]

        if callable(queryset):
            filters = _filters(request)
            key = (
                list_name, tuple(view.kwargs.items()), _viewer(request), filters, name, self.size,
                place and tuple(map(type, place)), backwards,
            )  # fmt: skip
            page = fetch(key, build, place, prepare=not filters)
        else:
            page = ordering.page(queryset, place, reverse=backwards, limit=self.size + 1)
        has_more = len(page) > self.size
        page = page[: self.size]
        if backwards:
            page.reverse()

        def place_of(row: Any) -> list[Any]:
            *keys, last = (getattr(row, name) for name in ordering.attributes)
            return [*keys, last if isinstance(last, int) else str(last)]

        note = getattr(queryset, "page_note", None)
        self.next = self.previous = None
        if page and (has_more or backwards):
            self.next = Cursor(list_name, name, False, place_of(page[-1]), note)
        if page and (has_more if backwards else cursor is not None):
            self.previous = Cursor(list_name, name, True, place_of(page[0]), note)
        if not page and backwards:  # what came before is gone: what follows is the first page
            self.next = Cursor(list_name, name, False, [], note)
        elif not page and cursor is not None:
            self.previous = Cursor(list_name, name, True, [], note)
        return page

    def get_paginated_response(self, data: Iterable[Any]) -> Response:
        body = {"next": self._link(self.next), "previous": self._link(self.previous)}
        counted = {} if self.count is None else {"count": self.count}
        return Response({**body, **counted, "results": data})

    def _link(self, cursor: Cursor | None) -> str | None:
        return replace_query_param(self.url, "cursor", cursor.encode()) if cursor else None

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


def _filters(request: Request) -> tuple[Any, ...]:
    """What the parameters say of which rows are listed, and the zone that they are read in."""
    given = request.query_params
    if not given:
        return ()
    chosen = tuple((name, *given.getlist(name)) for name in given if name not in _NO_FILTERS)
    return chosen and (*chosen, str(timezone.get_current_timezone()))


def _viewer(request: Request) -> tuple[Any, bool] | None:
    user = request.user
    return (user.pk, user.is_staff) if user.is_authenticated else None


def read_note(request: Request) -> Any:
    """The note in the request's cursor. None on a first page."""
    text = request.query_params.get("cursor")
    return None if text is None else Cursor.decode(text).note


def _read_cursor(request: Request, list_name: str, ordering: str) -> Cursor | None:
    text = request.query_params.get("cursor")
    if text is None:
        return None
    cursor = Cursor.decode(text)
    if (cursor.list_name, cursor.ordering) != (list_name, ordering):
        raise InvalidCursor
    return cursor


def orderings(*pairs: tuple[str, Ordering]) -> dict[str, Ordering]:
    """Each ordering by its name, and its reverse by `-name`."""
    found = {}
    for name, ordering in pairs:
        found[name] = ordering
        found[f"-{name}"] = replace(ordering, descending=not ordering.descending)
    return found
