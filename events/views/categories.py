from typing import ClassVar

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.key_scopes import OPEN, Scopes
from config.api.openapi.schema import operation
from config.api.pagination.keyset import Ordering, orderings
from config.api.pagination.paginator import KeysetPagination
from config.api.permissions import ReadsOrHasStaffRight
from config.api.text.folding import alphabetical
from config.api.views import ApiView, ListView
from config.errors import PermissionDenied

from ..models import Category, Event
from ..serializers.categories import CategoryIn, CategoryOut
from ..services.categories import delete_category, save_category


def _with_counts() -> QuerySet[Category]:
    # An index answers the subquery of each category. A join would read every event.
    counts = (
        Event.objects.listed()
        .filter(category=OuterRef("pk"))
        .order_by()
        .values("category")
        .annotate(number=Count("*"))
        .values("number")
    )
    return Category.objects.annotate(event_count=Coalesce(Subquery(counts), 0))


class CategoryListView(ListView):
    is_compressed = True
    tag = "categories"
    key_scopes: ClassVar[dict[str, Scopes]] = {"GET": OPEN}
    permission_classes = (ReadsOrHasStaffRight,)
    staff_permissions: ClassVar[dict[str, str]] = {"POST": "events.add_category"}
    may_lag = True
    pagination_class = KeysetPagination
    orderings = orderings(
        ("name", Ordering("name_key", expression=alphabetical("name"))), ("slug", Ordering("slug"))
    )

    def default_ordering(self, request: Request) -> str:
        return "name"

    @operation("List categories", responses=CategoryOut(many=True))
    def get(self, request: Request) -> Response:
        return self.page(_with_counts(), CategoryOut)

    @operation(
        "Create a category",
        request=CategoryIn,
        responses={201: CategoryOut},
        raises=[PermissionDenied],
    )
    def post(self, request: Request) -> Response:
        """For staff with `events.add_category`."""
        category = save_category(Category(), **self.valid(CategoryIn))
        body = CategoryOut(_with_counts().get(pk=category.pk)).data
        location = request.build_absolute_uri(f"/api/categories/{category.slug}/")
        return Response(body, status=201, headers={"Location": location})


class CategoryView(ApiView):
    tag = "categories"
    key_scopes: ClassVar[dict[str, Scopes]] = {"GET": OPEN}
    permission_classes = (ReadsOrHasStaffRight,)
    staff_permissions: ClassVar[dict[str, str]] = {
        "PUT": "events.change_category",
        "PATCH": "events.change_category",
        "DELETE": "events.delete_category",
    }

    @operation("Read a category", responses=CategoryOut)
    def get(self, request: Request, slug: str) -> Response:
        return Response(CategoryOut(self.get_row(_with_counts(), slug=slug)).data)

    @operation(
        "Replace a category", request=CategoryIn, responses=CategoryOut, raises=[PermissionDenied]
    )
    def put(self, request: Request, slug: str) -> Response:
        """For staff with `events.change_category`."""
        return self._edit(slug, partial=False)

    @operation(
        "Edit a category", request=CategoryIn, responses=CategoryOut, raises=[PermissionDenied]
    )
    def patch(self, request: Request, slug: str) -> Response:
        """For staff with `events.change_category`."""
        return self._edit(slug, partial=True)

    @operation("Delete a category", responses={204: None}, raises=[PermissionDenied])
    def delete(self, request: Request, slug: str) -> Response:
        """For staff with `events.delete_category`. Its events have no category afterwards."""
        delete_category(self.get_row(Category.objects.all(), slug=slug))
        return Response(status=204)

    def _edit(self, slug: str, *, partial: bool) -> Response:
        category = self.get_row(Category.objects.all(), slug=slug)
        save_category(category, **self.valid(CategoryIn, partial=partial))
        return Response(CategoryOut(_with_counts().get(pk=category.pk)).data)
