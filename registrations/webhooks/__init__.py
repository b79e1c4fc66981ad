"""Webhooks: they push the changes of the log to receivers.

`queueing` reads the log and inserts one delivery for each change and webhook. The `sender` claims
deliveries, renders them as the webhook's owner sees the object then, and sends them by `requests`,
to an address that `addresses` has checked. `claims` records what became of them.
"""
