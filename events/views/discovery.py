from drf_spectacular.utils import OpenApiParameter
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.schema import operation
from config.api.views import ApiView

from ..serializers import SuggestionsIn, SuggestionsOut
from ..suggestions import suggest_names


class SuggestionsView(ApiView):
    permission_classes = (AllowAny,)
    may_lag = True
    query_parameters = {"GET": frozenset({"q"})}

    @operation(
        "Suggest names of events",
        parameters=[
            OpenApiParameter(
                "q",
                {"type": "string", "maxLength": 200},
                required=True,
                description="What somebody has typed so far.",
            )
        ],
        responses=SuggestionsOut,
    )
    def get(self, request: Request) -> Response:
        """At most ten names of published upcoming events, for completion while typing."""
        given = SuggestionsIn(data=request.query_params)
        given.is_valid(raise_exception=True)
        return Response({"results": suggest_names(given.validated_data["q"])})
