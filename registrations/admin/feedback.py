"""Feedback in the admin: staff read it, hide it with a reason, and show it again."""

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import truncatechars

from accounts.admin import AuditedAdmin, staff_of
from config.api.admin import IsSetFilter, ReadOnlyAdmin
from config.api.staff_rights import has_staff_right

from ..models import Feedback
from ..services import hide_feedback, show_feedback


class HideFeedbackForm(forms.Form):
    reason = forms.CharField(
        max_length=500,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text="For staff only; the author does not see it.",
    )


@admin.register(Feedback)
class FeedbackAdmin(AuditedAdmin, ReadOnlyAdmin):
    list_display = ("event", "rating", "beginning", "author", "created_at", "is_hidden")
    list_select_related = ("event", "author")
    list_filter = (IsSetFilter.of("hidden_at", "hidden"), "rating")
    ordering = ("-id",)
    search_fields = (
        "event__name__contains_folded",
        "comment__contains_folded",
        "author__username__istartswith",
    )
    search_help_text = (
        "Part of the event's name or of the comment, or how the author's name begins."
    )
    fields = (
        "event",
        "author",
        "rating",
        "comment",
        "created_at",
        ("hidden_at", "hidden_by"),
        "hidden_reason",
        "changes",
    )
    readonly_fields = ("changes",)
    actions = ["hide_selected", "show_selected"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Feedback]:
        large = ("event__description", "event__search_vector")
        return super().get_queryset(request).select_related("event", "author").defer(*large)

    def has_moderate_permission(self, request: HttpRequest) -> bool:
        return has_staff_right(staff_of(request), "registrations.change_feedback")

    @admin.display(description="comment")
    def beginning(self, feedback: Feedback) -> str:
        return truncatechars(feedback.comment, 80)

    @admin.display(description="hidden", boolean=True, ordering="hidden_at")
    def is_hidden(self, feedback: Feedback) -> bool:
        return feedback.hidden_at is not None

    @admin.action(description="Hide the selected feedback…", permissions=["moderate"])
    def hide_selected(
        self, request: HttpRequest, queryset: QuerySet[Feedback]
    ) -> HttpResponse | None:
        feedback = queryset.filter(hidden_at=None)
        form = HideFeedbackForm(request.POST if "confirmed" in request.POST else None)
        page = self.ask_first(
            request,
            feedback,
            question="Hide this feedback?",
            consequence="Nobody sees it any more, and it does not count in the event's average. "
            "Its author can neither change it nor write another. You can show it again.",
            form=form,
        )
        if page is None:
            reason, staff = form.cleaned_data["reason"], staff_of(request)
            self.act_on(
                request,
                feedback,
                lambda row: hide_feedback(row, reason=reason, by=staff),
                "Hid",
            )
        return page

    @admin.action(description="Show the selected feedback again", permissions=["moderate"])
    def show_selected(self, request: HttpRequest, queryset: QuerySet[Feedback]) -> None:
        self.act_on(request, queryset.exclude(hidden_at=None), show_feedback, "Showed again")
