"""The log of changes of events and everything below them, and the feed that reads it.

Triggers and the ledger write a change in its transaction. Numbers that a sequence gives there are
committed out of order, so a reader that follows them would miss changes. The SQL function
`sequence_changes` therefore moves changes into the log after their commit: all of the transactions
that began after those of the last call and before the oldest one that is still open, in the order
of the sequence. Changes of one event are made under its lock, so the sequence has the order of
their effect; earlier ones of the same event come along. One call runs at a time, so positions are
committed in order as well.
"""
