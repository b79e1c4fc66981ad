"""The query parameters of the list of series, and the columns of its rows."""

from typing import Any

from django.db.models import Count, Exists, IntegerField, OuterRef, Subquery
from django.db.models.functions import Coalesce

from config.api.filters import IdFilter, StrictFilterSet, TrueOrFalseFilter
from config.api.key_scopes import check_sees_own
from config.errors import NotAuthenticated

from ..models import Event, Series, SeriesQuerySet, Visibility, counted_with, own_series


def series_for_listing() -> SeriesQuerySet:
    """Series that are not deleted, with everything that `SeriesOut` shows.

    Occurrences are counted by a subquery, which runs only for the rows of a page.
    """
    occurrences = (
        Event.objects.existing()
        .exclude(status=Event.Status.CANCELLED)
        .filter(counted_with(OuterRef("visibility")), series=OuterRef("pk"))
        .order_by()
        .values("series")
        .annotate(number=Count("pk"))
        .values("number")
    )
    series: SeriesQuerySet = (
        Series.objects.existing()
        .select_related("organizer", "category")
        .annotate(occurrence_count=Coalesce(Subquery(occurrences, output_field=IntegerField()), 0))
    )
    return series


class SeriesFilter(StrictFilterSet):
    organizer = IdFilter(field_name="organizer_id", help_text="Id of the organizer.")
    mine = TrueOrFalseFilter(
        method="apply_later",
        help_text="My own, drafts and finished ones too; needs a sign-in. Default: false.",
    )

    class Meta:
        model = Series
        fields: list[str] = []

    def apply_later(self, series: SeriesQuerySet, name: str, value: Any) -> SeriesQuerySet:
        """Leaves the filter to `filter_queryset`."""
        return series

    def filter_queryset(self, queryset: Any) -> Any:
        series = super().filter_queryset(queryset)
        if self.form.cleaned_data["mine"]:
            if not self.request.user.is_authenticated:
                raise NotAuthenticated
            check_sees_own(self.request.user)
            own = own_series(self.request.user)
            return series.none() if own is None else series.filter(own)
        upcoming = Event.objects.listed().upcoming().filter(series=OuterRef("pk"))
        return series.filter(
            Exists(upcoming), status=Series.Status.PUBLISHED, visibility=Visibility.PUBLIC
        )
