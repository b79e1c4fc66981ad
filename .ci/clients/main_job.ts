// README's main job with the generated client. Prints what it saw as JSON.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

declare const process: { argv: string[] };

type Problem = components["schemas"]["Problem"];
const api = createClient<paths>({ baseUrl: process.argv[2] });

/** The data of an answer that has to be a success. */
function taken<Data>(answer: { data?: Data; error?: Problem }): Data {
  if (answer.data === undefined) {
    throw new Error(`Refused: ${JSON.stringify(answer.error)}`);
  }
  return answer.data;
}

/** The result of a request that did not run dry. */
function done<Data extends object>(data: Data): Exclude<Data, components["schemas"]["DryRun"]> {
  if ("dry_run" in data) {
    throw new Error("A dry run, without having asked for one");
  }
  return data as Exclude<Data, components["schemas"]["DryRun"]>;
}

const email = "asha@example.com";
const password = "monsoon-lantern-42";
const user = taken(await api.POST("/api/register/", { body: { email, password } }));
const session = taken(await api.POST("/api/login/", { body: { email, password } }));
api.use({
  onRequest({ request }) {
    request.headers.set("Authorization", `Bearer ${session.access}`);
  },
});

const start = new Date(Date.now() + 90 * 24 * 3600 * 1000);
const created: components["schemas"]["Event"] = taken(
  await api.POST("/api/events/", {
    body: {
      name: "Global AI Summit",
      description: "Three days.",
      location: "Bengaluru International Exhibition Centre",
      start_time: start.toISOString(),
      timezone: "Asia/Kolkata",
      category: "conference",
      max_capacity: 2,
      waitlist_enabled: false,
    },
  }),
);
const path = { id: created.id };

// A misspelt field does not compile, and is refused.
const wrong: components["schemas"]["EventEdit"] = {
  // @ts-expect-error
  capacity_max: 3,
};
const misspelt = await api.PATCH("/api/events/{id}/", { params: { path }, body: wrong });

const found = taken(
  await api.GET("/api/events/", {
    params: { query: { search: "globl sumit bengaluru", count: true } },
  }),
);

// An edit changes what it names. What was read can be sent back as it is.
const edited = done(
  taken(
    await api.PATCH("/api/events/{id}/", {
      params: { path },
      body: { name: "Global AI Summit 2" },
    }),
  ),
);
const replaced = done(
  taken(await api.PUT("/api/events/{id}/", { params: { path }, body: { ...edited } })),
);
const profile = taken(await api.GET("/api/me/"));
const sameProfile = taken(await api.PUT("/api/me/", { body: profile }));
const series = taken(
  await api.POST("/api/series/", {
    body: {
      name: "Chess club",
      location: "Town library",
      timezone: "Europe/Berlin",
      start_time: start.toISOString(),
      recurrence: "FREQ=WEEKLY;COUNT=10",
    },
  }),
);
if (!("id" in series)) {
  throw new Error("A preview, without having asked for one");
}
const sameSeries = done(
  taken(
    await api.PATCH("/api/series/{id}/", { params: { path: { id: series.id } }, body: series }),
  ),
);

const guests = createClient<paths>({ baseUrl: process.argv[2] });
const register = (name: string) =>
  guests.POST("/api/events/{id}/register/", {
    params: { path },
    body: { name, email: `${name}@example.com` },
  });
const ana = taken(await register("ana"));
if (!("id" in ana)) {
  throw new Error("The address is not confirmed."); // events of another mode
}
taken(await register("bob"));
const again = await register("Bob");
const full = await register("cem");

const ticket = taken(
  await guests.GET("/api/registrations/{id}/ticket.png", {
    params: { path: { id: ana.id }, query: { token: ana.manage_token } },
    parseAs: "arrayBuffer",
  }),
);
const attendees = taken(
  await api.GET("/api/events/{id}/attendees/", {
    params: { path, query: { ordering: "name", count: true } },
  }),
);
const csv = taken(
  await api.GET("/api/events/{id}/attendees/export/", {
    params: { path, query: { format: "csv" } },
    parseAs: "text",
  }),
);
const xlsx = taken(
  await api.GET("/api/events/{id}/attendees/export/", {
    params: { path, query: { format: "xlsx" } },
    parseAs: "arrayBuffer",
  }),
);
const calendar = taken(
  await guests.GET("/api/events/{id}/calendar.ics", { params: { path }, parseAs: "text" }),
);
const scan = taken(
  await api.POST("/api/events/{id}/check-in/", {
    params: { path },
    body: { ticket_code: ana.ticket_code },
  }),
);
const scannedAgain = taken(
  await api.POST("/api/events/{id}/check-in/", {
    params: { path },
    body: { ticket_code: ana.ticket_code },
  }),
);

const letters = (bytes: ArrayBuffer, from: number, to: number) =>
  String.fromCharCode(...new Uint8Array(bytes).slice(from, to));

console.log(
  JSON.stringify({
    user: user.username,
    misspelt: misspelt.error?.errors?.map((error) => [error.field, error.code]),
    found: found.count,
    edited: [edited.name, edited.description, edited.max_capacity, edited.category],
    replaced: [replaced.name, replaced.description, replaced.max_capacity, replaced.category],
    profile: [sameProfile.username, sameProfile.email, sameProfile.role],
    series: [sameSeries.name, sameSeries.occurrence_count, sameSeries.recurrence],
    again: again.error?.code,
    full: [full.error?.code, full.error?.status, full.error?.max_capacity],
    attendees: attendees.results.map((registration) => [registration.name, registration.status]),
    csv: csv.trim().split("\n").length,
    xlsx: letters(xlsx, 0, 2),
    ticket: letters(ticket, 1, 4),
    calendar: calendar.slice(0, 15),
    scans: [scan.already_checked_in, scannedAgain.already_checked_in],
  }),
);
