/* The page of a link that has ended: the phone forgets the scans that no link can send any more. */
"use strict";

// The response has the time of the server.
door.request("/door/worker.js").then(
  () => door.forgetExpired(),
  () => {},
);
