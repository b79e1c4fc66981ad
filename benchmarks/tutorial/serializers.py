from rest_framework import serializers

from .models import Event, Registration


class EventSerializer(serializers.ModelSerializer[Event]):
    class Meta:
        model = Event
        fields = "__all__"


class RegistrationSerializer(serializers.ModelSerializer[Registration]):
    class Meta:
        model = Registration
        fields = ["id", "event", "name", "email", "registered_at"]
        read_only_fields = ["event"]
