from .registration import Registration, RegistrationQuerySet, new_ticket_code

__all__ = ["Registration", "RegistrationQuerySet", "new_ticket_code"]
