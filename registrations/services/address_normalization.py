"""Makes the addresses of registrations canonical that were loaded by SQL from another product."""

from django.db import transaction

from accounts.services.address_normalization import normalized, rekey_opt_outs, uncertain

from ..models import Registration


@transaction.atomic
def normalize_registrations() -> dict[str, str]:
    """Returns the canonical address of each other spelling.

    Of two live registrations of one mailbox for one event, the earlier one gets the canonical
    spelling. The other one keeps its own, and `check_integrity` reports it.
    """
    changed = {}
    for row in uncertain(Registration.objects.all()).order_by("registered_at", "pk"):
        address = normalized(row.email)
        if address is None or address == row.email:
            continue
        changed[row.email] = address
        same = Registration.objects.of_address().filter(event=row.event_id, email=address)
        if row.status == Registration.Status.CANCELLED or not same.exists():
            Registration.objects.filter(pk=row.pk).update(email=address)
    rekey_opt_outs(changed)
    return changed
