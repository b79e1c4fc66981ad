from django.db import IntegrityError, transaction
from django.shortcuts import get_object_or_404
from rest_framework import generics, serializers, viewsets

from .models import Event, Registration
from .serializers import EventSerializer, RegistrationSerializer


class EventViewSet(viewsets.ModelViewSet[Event]):
    queryset = Event.objects.order_by("start_time")
    serializer_class = EventSerializer


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
