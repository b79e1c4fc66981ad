"""Formats of dates and times in the admin. They sort, and mean the same in every country."""

DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = "Y-m-d H:i"
