class InvalidRecurrence(ValueError):
    """The rule cannot be read, gives nothing, or gives too much. The message says what to do."""
