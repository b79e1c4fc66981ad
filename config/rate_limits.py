"""The limits of requests by one caller, by their names. `RATE_LIMITS` changes single ones."""

DEFAULTS = {
    "login": "30/min",
    "signup": "60/min",
    "password_reset": "10/min",
    "mails": "10/hour",  # requested mails: by one account, or for one registration
    "mailbox": "5/hour",  # mails to one mailbox that its owner did not ask for
    "caused_mails": "200000/day",  # caused by one account, and about one account's events
    "changes": "4/hour",  # of one event, each mailed at once; further ones are mailed together
    "register": "300/min",  # a school or an office is one address
    "message": "20/hour",  # each may be a mail to thousands
    "export": "10/hour",  # of all data about one person
    "import": "120/min",  # of up to thousands of rows each, dry runs too
    "image": "60/hour",  # files of a former image are stored for a day
    "feed": "120/min",  # calendars of up to a thousand events
    "bulk": "60/min",  # of up to a thousand events each
    "deliveries": "120/min",  # of webhooks on request; each is sent to a server of their choice
    "anonymous": "1200/min",
    "user": "3000/min",
}
