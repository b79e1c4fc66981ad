"""`ApiView`, the base of every view, with the conventions of every route."""

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, ClassVar, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpResponse
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import SAFE_METHODS, AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer, Serializer

from config.errors import MethodNotAllowed, NotFound, PermissionDenied

from .http.conditional import add_etag, expected_version, make_conditional
from .http.dry_runs import runs_dry, takes_dry_run
from .http.idempotency import handle_once, read_key
from .http.parameters import check_parameters
from .http.preferences import LENIENT, prefers_lenient_handling
from .http.strict_bodies import response_fields, validate_body
from .key_scopes import Scopes, check_key, key_of
from .sql.compiled_queries import fetch
from .sql.replica import reads_from_replica
from .staff_rights import rights_key

VARY = "Accept, Authorization, Time-Zone"  # the headers that a response depends on
VARY_OF_COMPRESSED = f"{VARY}, Accept-Encoding"
VARY_OF_WRITES = f"{VARY}, Prefer"

M = TypeVar("M", bound=Model)


def _require_address(user: Any) -> None:
    """Raises `PermissionDenied` for an account whose address is another account's."""
    if getattr(user, "needs_address", False):
        raise PermissionDenied(
            "Your e-mail address belongs to another account. Give another one first: "
            'PATCH /api/me/ with {"email": "…"}.'
        )


@cache
def _instances(classes: tuple[type, ...]) -> list[Any]:
    return [each() for each in classes]


@cache
def _repeatable_parameters(view_class: "type[ApiView]") -> frozenset[str]:
    """The parameters and filters that accept several values."""
    filterset_class = getattr(view_class, "filterset_class", None)
    filters = filterset_class.base_filters if filterset_class else {}
    return view_class.repeatable_parameters | frozenset(
        name for name, each in filters.items() if getattr(each, "takes_several", False)
    )


_blank_serializers = threading.local()


@contextmanager
def _cached_serializer(serializer_class: type[Serializer[Any]]) -> Iterator[Any]:
    """A blank serializer for input, cached for each class and thread.

    DRF copies every declared field for each new serializer, which takes longer than validation.
    """
    blank = _blank_serializers.__dict__.pop(serializer_class.__qualname__, None)
    if type(blank) is not serializer_class:
        blank = serializer_class()
    yield blank
    for name in ("initial_data", "_context", "_validated_data", "_errors"):
        blank.__dict__.pop(name, None)
    _blank_serializers.__dict__[serializer_class.__qualname__] = blank


class ApiView(GenericAPIView[Any]):
    """Strict query parameters, ETags and idempotency keys for every route.

    Attributes of a subclass:
    `query_parameters`: query parameters beside `format` and `timezone`, by method;
    `repeatable_parameters`: those of them that accept several values;
    `sends_etag`: whether a successful response has an ETag;
    `is_compressed`: whether guests get the response compressed; it must not contain a secret (see
    `compression`), and needs `sends_etag`;
    `stores_responses`: False where a response must never be stored, since it has tokens;
    `throttle_scopes`: scopes of stricter rate limits, by method;
    `staff_permissions`: the model permission that staff need, by method (see `staff_rights`);
    `needed_rights`: the right on the row that a role has to include, by method;
    `key_scopes`: the scopes of which an API key needs one, by method (see `key_scopes`): `OPEN`
    needs none, and a method without an entry is closed to keys;
    `is_personal`: whether responses to guests have personal data, such as by a token;
    `open_without_address`: whether an account that must change its e-mail address may write;
    `may_lag`: whether a guest's GET may read a replica of the database;
    `ignores_tracking`: whether tracking parameters, such as `utm_source`, are ignored;
    `shown_elsewhere`: serializers of the same resource in other routes, whose fields a body may
    contain as well (see `strict_bodies`).
    """

    query_parameters: ClassVar[dict[str, frozenset[str]]] = {}
    repeatable_parameters: ClassVar[frozenset[str]] = frozenset()
    sends_etag = False
    is_compressed = False
    stores_responses = True
    throttle_scopes: ClassVar[dict[str, str]] = {}
    staff_permissions: ClassVar[dict[str, str]] = {}
    needed_rights: ClassVar[dict[str, str]] = {}
    key_scopes: ClassVar[dict[str, Scopes]] = {}
    is_personal = False
    open_without_address = False
    may_lag = False
    ignores_tracking = False
    shown_elsewhere: ClassVar[tuple[type[BaseSerializer[Any]], ...]] = ()
    is_lenient = False
    etag_version: str | None = None
    filter_backends: Any = ()

    # These objects have no state of a request, so they are created once.

    def get_authenticators(self) -> list[Any]:
        return _instances(tuple(self.authentication_classes))

    def get_parsers(self) -> list[Any]:
        return _instances(tuple(self.parser_classes))

    def get_renderers(self) -> list[Any]:
        return _instances(tuple(self.renderer_classes))

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if not hasattr(self, str(request.method).lower()):
            raise MethodNotAllowed  # before 401, since signing in would not help
        super().initial(request, *args, **kwargs)
        if request.method not in SAFE_METHODS and not self.open_without_address:
            _require_address(request.user)
        method = "GET" if request.method == "HEAD" else str(request.method)
        if request.query_params:
            check_parameters(
                request.query_params,
                self.known_parameters(method) | self._dry_run_parameter(method),
                repeatable=_repeatable_parameters(type(self)),
                ignores_tracking=self.ignores_tracking,
            )
        if self.may_lag and request.method in {"GET", "HEAD"} and not request.user.pk:
            get = reads_from_replica(self.get)  # type: ignore[attr-defined]
            self.__dict__.update(get=get, head=get)
        handler = getattr(self, "post", None)
        if request.method == "POST" and handler is not None:
            key = read_key(request)
            if key is not None and self.stores_responses and not runs_dry(self, request):
                # DRF looks the handler up after this method.
                setattr(self, "post", handle_once(self, handler, key))  # noqa: B010

    def check_permissions(self, request: Request) -> None:
        key = key_of(request.user)
        if key is not None and request.method != "OPTIONS":
            check_key(key, self.key_scopes, self.method)
        super().check_permissions(request)

    def known_parameters(self, method: str) -> frozenset[str]:
        return self.query_parameters.get(method, frozenset())

    def _dry_run_parameter(self, method: str) -> frozenset[str]:
        return frozenset({"dry_run"} if takes_dry_run(self, method) else ())

    @property
    def method(self) -> str:
        """The method of this request. HEAD does the work of GET."""
        return "GET" if self.request.method == "HEAD" else str(self.request.method)

    @property
    def needed_permissions(self) -> tuple[str, ...]:
        """The permission that staff need for this request; empty where no permission helps."""
        needed = self.staff_permissions.get(self.method)
        return () if needed is None else (needed,)

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        return Response(status=204, headers={"Allow": ", ".join(self.allowed_methods)})

    @property
    def default_response_headers(self) -> dict[str, str]:
        vary = VARY_OF_COMPRESSED if self.is_compressed else VARY
        return {
            "Allow": ", ".join(self.allowed_methods),
            "Vary": vary if self.request.method in SAFE_METHODS else VARY_OF_WRITES,
        }

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        final = super().finalize_response(request, response, *args, **kwargs)
        if self.is_lenient:
            final["Preference-Applied"] = LENIENT
        if "Cache-Control" not in final:
            final["Cache-Control"] = self._cache_control(request)
        # A replayed response has the ETag of the first one, whose version If-Match accepts.
        if self.sends_etag and "ETag" not in final and final.status_code in {200, 201}:
            if isinstance(final, Response):
                final.add_post_render_callback(add_etag)
            else:
                final = make_conditional(
                    request, final, self.etag_version, may_compress=self.may_compress()
                )
        return final

    def may_compress(self) -> bool:
        """Whether the response is public, and this view compresses such responses."""
        meta = self.request.META
        return (
            self.is_compressed
            and meta["REQUEST_METHOD"] in {"GET", "HEAD"}
            and "HTTP_AUTHORIZATION" not in meta
        )

    def _cache_control(self, request: Request) -> str:
        """Personal responses are not stored. Others may be cached, but must be revalidated, which
        an ETag makes cheap."""
        if self.is_personal or request.method not in SAFE_METHODS or self._requires_sign_in():
            return "no-store"
        return "private, no-cache" if "HTTP_AUTHORIZATION" in request.META else "no-cache"

    def _requires_sign_in(self) -> bool:
        return any(isinstance(permission, IsAuthenticated) for permission in self.get_permissions())

    # --- Helpers of the views ---

    def valid(
        self, serializer_class: type[Serializer[Any]], *, partial: bool = False
    ) -> dict[str, Any]:
        """The validated body. Use `strict_bodies.NoFields` for a route without one.

        Call it after selecting the row, so that 401, 403 and 404 come before an unknown field.
        """
        request = self.request
        prefer = request.META.get("HTTP_PREFER")
        self.is_lenient = prefer is not None and prefers_lenient_handling(prefer)
        with _cached_serializer(serializer_class) as serializer:
            serializer.partial = partial
            context = {**self.get_serializer_context(), "is_lenient": self.is_lenient}
            serializer._context = context
            return validate_body(
                serializer,
                request.data,
                read_only=response_fields(type(self)),
                ignores_unknown=self.is_lenient,
                query_parameters=self.known_parameters(str(request.method)),
            )

    def check_replay(self, **kwargs: Any) -> None:
        """Raises if the caller may no longer get the stored response of an earlier POST.

        `kwargs` are those of the handler. A view overrides it if its POST needs a right on a row:
        that right may have ended since.
        """

    def get_row(self, queryset: QuerySet[M], **lookup: Any) -> M:
        """The row. Raises `NotFound`, and checks object permissions."""
        row = queryset.filter(**lookup).first()
        if row is None:
            raise NotFound
        self.check_object_permissions(self.request, row)
        return row

    def get_row_by_id(self, make: Callable[[], QuerySet[M]], pk: int, variant: Hashable = "") -> M:
        """`get_row()` by a compiled query.

        `make` may depend on the view, its permissions, the viewer and `variant` alone.
        """
        user = self.request.user
        name, needed = type(self).__qualname__, self.needed_permissions
        key = (name, needed, variant, user.is_authenticated, rights_key(user))
        rows = fetch(
            key,
            lambda values: make().filter(pk=(values or [pk])[0])[:1],
            [pk],
            prepare=True,
            viewer=user,
        )
        if not rows:
            raise NotFound
        row: M = rows[0]
        self.check_object_permissions(self.request, row)
        return row

    def expected_version(self) -> set[str] | None:
        return expected_version(self.request)


class ListView(ApiView):
    """A view whose GET returns pages: see `KeysetPagination`."""

    sends_etag = True

    def known_parameters(self, method: str) -> frozenset[str]:
        known = super().known_parameters(method)
        if method == "GET":
            known |= frozenset(self.paginator.parameters)  # type: ignore[union-attr]
            if getattr(self, "filterset_class", None):
                known |= frozenset(self.filterset_class.base_filters)  # type: ignore[attr-defined]
        return known

    def page(
        self, queryset: QuerySet[Any], serializer_class: type[BaseSerializer[Any]]
    ) -> Response:
        rows = self.paginate_queryset(self.filter_queryset(queryset))
        return self._page_of(rows, serializer_class)

    def cached_page(
        self, make: Callable[[], QuerySet[Any]], serializer_class: type[BaseSerializer[Any]]
    ) -> Response:
        """`page()` of a queryset that `make` returns, called only where its query is not cached.

        It must depend on nothing but the view, its address, the viewer and the parameters.
        """
        rows = self.paginate_queryset(lambda: self.filter_queryset(make()))  # type: ignore[arg-type]
        return self._page_of(rows, serializer_class)

    def _page_of(self, rows: Any, serializer_class: type[BaseSerializer[Any]]) -> Response:
        context = self.get_serializer_context()
        return self.get_paginated_response(serializer_class(rows, many=True, context=context).data)


class UnknownRouteView(ApiView):
    """Responds to unknown addresses under /api/ with a problem document."""

    permission_classes = (AllowAny,)
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound


def file_response(body: bytes, content_type: str, filename: str) -> HttpResponse:
    return HttpResponse(
        body,
        content_type=content_type,
        headers={"Content-Disposition": f'inline; filename="{filename}"'},
    )
