class InvalidRecurrence(ValueError):
    """A rule that is invalid, or has no occurrence or too many. The message is for the client."""
