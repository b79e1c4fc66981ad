// Reads an iCalendar file on stdin; prints the UTC second of each event's start, as ical.js has it.
const ICAL = require("ical.js");

const text = require("fs").readFileSync(0, "utf8");
const calendar = new ICAL.Component(ICAL.parse(text));
for (const zone of calendar.getAllSubcomponents("vtimezone")) {
  ICAL.TimezoneService.register(zone);
}
const starts = calendar
  .getAllSubcomponents("vevent")
  .map((entry) => new ICAL.Event(entry).startDate.toUnixTime());
process.stdout.write(JSON.stringify(starts));
