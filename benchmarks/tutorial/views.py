from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from rest_framework import generics, serializers, viewsets
from rest_framework.authentication import TokenAuthentication
from rest_framework.filters import SearchFilter
from rest_framework.permissions import IsAuthenticated

from .models import Event, Registration
from .serializers import EventSerializer, RegistrationSerializer


class EventViewSet(viewsets.ModelViewSet[Event]):
    serializer_class = EventSerializer

    def get_queryset(self) -> QuerySet[Event]:
        return Event.objects.filter(start_time__gt=timezone.now()).order_by("start_time")


class AttendeeView(generics.ListAPIView[Registration]):
    authentication_classes = (TokenAuthentication,)
    permission_classes = (IsAuthenticated,)
    serializer_class = RegistrationSerializer
    filter_backends = (SearchFilter,)
    search_fields = ("name", "email")

    def get_queryset(self) -> QuerySet[Registration]:
        event = get_object_or_404(Event, pk=self.kwargs["event_id"])
        return event.registrations.order_by("registered_at")


class RegisterView(generics.CreateAPIView[Registration]):
    queryset = Registration.objects.all()
    serializer_class = RegistrationSerializer

    @transaction.atomic
    def perform_create(self, serializer: serializers.BaseSerializer[Registration]) -> None:
        events = Event.objects.select_for_update()
        event = get_object_or_404(events, pk=self.kwargs["event_id"])
        if event.registrations.count() >= event.max_capacity:
            raise serializers.ValidationError("The event is full.")
        try:
            serializer.save(event=event)
        except IntegrityError as error:
            raise serializers.ValidationError("Already registered.") from error
