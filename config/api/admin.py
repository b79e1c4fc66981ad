"""Base classes of the admin: services write, and their errors become messages."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import model_ngettext
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db import DatabaseError, transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.functional import cached_property
from rest_framework.exceptions import APIException

from config.errors import (
    DomainError,
    NotFound,
    PreconditionFailed,
    ServerError,
    ValidationFailed,
)

from .http.exception_handler import to_domain_error
from .http.rate_limits import without_counting

admin.site.site_header = admin.site.site_title = "Event administration"
admin.site.index_title = "Times are in your own zone unless another zone is named"

COUNT_EXACTLY_TO = 10_000
NAMES_SHOWN = 20

# Errors of services and serializers. A lock that is not free in time is a DatabaseError.
_REFUSALS = (DomainError, APIException, DatabaseError)

_EDITED_MEANWHILE = (
    "Somebody edited it since you opened the page. Open it again and repeat your change."
)


class EstimatingPaginator(Paginator):
    """Counts exactly up to a limit, and above it uses the estimate of PostgreSQL's planner.

    Counting a million rows takes longer than showing a page of them.
    """

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        counted: int = rows.order_by()[: COUNT_EXACTLY_TO + 1].count()
        if counted <= COUNT_EXACTLY_TO:
            return counted
        plan = json.loads(rows.order_by().explain(format="json"))[0]["Plan"]
        return max(counted, int(plan["Plan Rows"]))


class IsSetFilter(admin.SimpleListFilter):
    """A filter by whether a nullable column has a value. `of` returns a class for a field."""

    words: tuple[str, str]

    @classmethod
    def of(cls, field: str, title: str, *, yes: str = "Yes", no: str = "No") -> type["IsSetFilter"]:
        facts = {"parameter_name": field, "title": title, "words": (yes, no)}
        return type(cls.__name__, (cls,), facts)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        yes, no = self.words
        return [("yes", yes), ("no", no)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in {"yes", "no"}:
            return queryset
        return queryset.filter(**{f"{self.parameter_name}__isnull": self.value() == "no"})


class AutocompleteById(AutocompleteSelect):
    """Django's widget, which raises `ValueError` for a value of the form that is no id."""

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        return super().optgroups(name, [each for each in value if self._is_id(each)], attr)

    def _is_id(self, value: Any) -> bool:
        try:
            self.field.target_field.to_python(value)
        except ValidationError:
            return False
        return True


class ServiceAdmin(admin.ModelAdmin):
    """Writes through services only, which subclasses call in `save_model` and in actions."""

    paginator = EstimatingPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # each would count the whole table
    list_per_page = 50
    gone = "It was deleted."  # the message for NotFound, whose own text is about addresses

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", AutocompleteById(db_field, self.admin_site))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        with self._errors_as_messages(request) as redirect:
            return super().changeform_view(request, *args, **kwargs)
        return redirect()

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        with self._errors_as_messages(request) as redirect:
            return super().delete_view(request, *args, **kwargs)
        return redirect()

    @contextmanager
    def _errors_as_messages(self, request: HttpRequest) -> Iterator[Callable[[], HttpResponse]]:
        """Turn errors between a form's validation and its saving into messages.

        Yields a function that returns the redirect to the same page, for after such an error.
        """
        try:
            yield lambda: HttpResponseRedirect(request.get_full_path())
        except _REFUSALS as error:
            if request.method != "POST":  # the same page would fail again
                raise
            self.message_user(request, self.refusal(error), messages.ERROR)

    def refusal(self, error: Exception) -> str:
        """The sentence for staff. Raises `error` again when it is a server error."""
        return " ".join(detail for _, detail in _details(error, self.gone))

    def named(self, row: Any) -> str:
        """The name of a row in questions and messages."""
        return str(row)

    def act_on(
        self,
        request: HttpRequest,
        rows: QuerySet[Any],
        service: Callable[[Any], object],
        done: str,
    ) -> None:
        """Call `service` on each row, each in a transaction of its own, and show the outcome.

        `done` begins the sentence: "Published" makes "Published 3 events."
        """
        succeeded = 0
        refused: dict[str, list[str]] = {}
        for row in rows:
            try:
                service(row)
            except _REFUSALS as error:
                refused.setdefault(self.refusal(error), []).append(self.named(row))
            else:
                succeeded += 1
                self.log_change(request, row, f"{done}.")
        if succeeded or not refused:
            name = model_ngettext(self.opts, succeeded)
            level = messages.SUCCESS if succeeded else messages.WARNING
            self.message_user(request, f"{done} {succeeded} {name}.", level)
        for reason, names in refused.items():
            listed = ", ".join(names[:NAMES_SHOWN])
            more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
            self.message_user(request, f"Not done for {listed}{more}: {reason}", messages.ERROR)

    def ask_first(
        self,
        request: HttpRequest,
        rows: QuerySet[Any],
        *,
        question: str,
        consequence: str,
        form: forms.Form | None = None,
        name: Callable[[Any], str] | None = None,
    ) -> TemplateResponse | None:
        """The page that asks before an action, or None once it is confirmed.

        `name` returns the name of a row on this page, if it is not `named`.
        """
        if "confirmed" in request.POST and (form is None or form.is_valid()):
            return None
        names = [(name or self.named)(row) for row in rows[: NAMES_SHOWN + 1]]
        context = {
            **self.admin_site.each_context(request),
            "title": question,
            "opts": self.opts,
            "media": self.media,
            "consequence": consequence,
            "names": names[:NAMES_SHOWN],
            "more": len(names) > NAMES_SHOWN,
            "form": form,
            "action": request.POST["action"],
            "select_across": request.POST.get("select_across", "0"),
            "checkbox_name": ACTION_CHECKBOX_NAME,
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
        }
        return TemplateResponse(request, "admin/ask_first.html", context)


def confirmed_answers(request: HttpRequest) -> Any:
    """The data of a confirmed page of `ask_first`, for its form. None before that."""
    return request.POST if "confirmed" in request.POST else None


class NotifyForm(forms.Form):
    """Asks whether to notify the people concerned. `people` is their number."""

    notify = forms.BooleanField(required=False, initial=True)

    def __init__(self, data: Any = None, *, people: int) -> None:
        super().__init__(data)
        persons = "1 person" if people == 1 else f"{people:,} people"
        field = self.fields["notify"]
        field.label = f"Notify {persons}" if people else "Notify nobody: none is registered"
        field.help_text = "By e-mail and in their inbox. Without it, nobody hears of this."
        field.disabled = not people


class ReadOnlyAdmin(ServiceAdmin):
    """Rows that only the system writes."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@contextmanager
def rehearsed_on(form: forms.BaseForm, fields: Mapping[str, str] | None = None) -> Iterator[None]:
    """Roll back what runs inside, and turn its errors into errors of the form.

    The form then has the errors of the service, so that rules exist once. Rate limits count the
    saving only. `fields` maps the code or the field of an error to the form's field.
    """
    fields = fields or {}
    try:
        with without_counting(), transaction.atomic():
            yield
            transaction.set_rollback(True)
    except _REFUSALS as error:
        code = getattr(error, "code", "")
        for field, detail in _details(error, ServiceAdmin.gone):
            name = fields.get(code) or fields.get(field or "", field)
            form.add_error(name if name in form.fields else None, detail)


class ServiceForm(forms.ModelForm):
    """A form that the service validates, instead of the model."""

    error_fields: Mapping[str, str] = {}  # as for `rehearsed_on`

    def rehearse(self) -> None:
        """Call the service. Its writes are rolled back."""
        raise NotImplementedError

    def clean(self) -> dict[str, Any]:
        if not self.errors:
            with rehearsed_on(self, self.error_fields):
                self.rehearse()
        return self.cleaned_data

    def _post_clean(self) -> None:
        """Do not change the instance: the service changes a row that it has locked."""


def _details(error: Exception, gone: str) -> list[tuple[str | None, str]]:
    """The fields and sentences of an error. Raises `error` again when it is a server error."""
    refusal = to_domain_error(error)
    if isinstance(refusal, ServerError):
        raise error
    if isinstance(refusal, NotFound):
        return [(None, gone)]
    if isinstance(refusal, PreconditionFailed):
        return [(None, _EDITED_MEANWHILE)]
    if isinstance(refusal, ValidationFailed):
        return [
            (fact["field"] and fact["field"].partition(".")[0], fact["detail"])
            for fact in refusal.facts["errors"]
        ]
    return [(None, refusal.message)]
