"""Categories in the admin."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin import AuditedAdmin
from config.api.admin import ServiceForm
from config.api.text.visible_characters import validate_visible

from ..models import Category
from ..services.categories import delete_category, save_category


class CategoryForm(ServiceForm):
    class Meta:
        model = Category
        fields = ("name", "slug")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "name" in self.fields:  # a page that staff may only read has none
            self.fields["name"].validators.append(validate_visible)

    def rehearse(self) -> None:
        save_category(Category(pk=self.instance.pk), **self.cleaned_data)


@admin.register(Category)
class CategoryAdmin(AuditedAdmin):
    form = CategoryForm
    list_display = ("name", "slug")
    search_fields = ("name__contains_folded", "slug")
    prepopulated_fields = {"slug": ("name",)}
    readonly_fields = ("changes",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("name", "slug", "changes") if obj else ("name", "slug")

    def delete_model(self, request: HttpRequest, obj: Category) -> None:
        delete_category(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Category]) -> None:
        for category in queryset:
            delete_category(category)

    def save_model(self, request: HttpRequest, obj: Category, form: Any, change: bool) -> None:
        save_category(obj, **form.cleaned_data)
