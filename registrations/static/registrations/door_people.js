/* The list of people that the phone keeps, with the scans that are not sent yet. */
"use strict";

window.door = window.door || {};

const REFRESH_SECONDS = 15;
const ROWS_OF_A_SECOND = 200; // a longer list is read less often
const MAX_MATCHES = 50;
const KEPT_MILLISECONDS = 48 * 3600 * 1000; // a phone may come to the door from home

door.People = class {
  constructor({ address, store, waiting, onChange }) {
    this.address = address;
    this.factsAddress = `${address}?facts`; // in the store alone
    this.readAddress = `${address}?read`; // in the store alone
    this.readAt = null; // when the server last confirmed the list
    this.store = store;
    this.waiting = waiting; // returns the scans that are not sent yet
    this.onChange = onChange;
    this.facts = []; // what the server has responded since the list
    this.byId = new Map();
    this.byDigest = new Map();
    this.etag = null;
    this.isLoaded = false;
  }

  /* Takes over when the server last confirmed the list, and by which clock. A page that is loaded
     without a network knows the time of the server by this alone. */
  async restoreClock() {
    const { readAt = 0, ahead = 0 } = (await this.store.read(this.readAddress)) || {};
    this.readAt = readAt;
    door.ahead = door.ahead || ahead;
  }

  /* Takes over what the phone has kept. */
  async restore() {
    const rows = await this.store.read(this.address);
    if (rows && !this.isOutdated) {
      this.facts = (await this.store.read(this.factsAddress)) || [];
      this.replace(rows);
    }
  }

  /* Whether the names were kept for long enough. */
  get isOutdated() {
    return door.now() - this.readAt > KEPT_MILLISECONDS;
  }

  /* No name stays on the phone. The page does, since scans go on without names. */
  forget() {
    this.clear();
    return this.store.remove([this.address, this.factsAddress, this.readAddress]);
  }

  /* The link has ended. Neither names nor the page stay on the phone. */
  end() {
    this.clear();
    return this.store.forget();
  }

  clear() {
    this.facts = [];
    this.etag = null;
    this.replace([]);
  }

  /* Reads the list. Rejects without a network. */
  async load() {
    const known = this.facts.length;
    const headers = this.etag ? { "If-None-Match": this.etag } : {};
    const response = await door.request(this.address, { headers });
    if (!response.ok && response.status !== 304) {
      throw Object.assign(new Error("no list"), { hasEnded: response.status === 404 });
    }
    this.readAt = door.now().getTime();
    this.store.keep(this.readAddress, { readAt: this.readAt, ahead: door.ahead });
    if (response.status === 304) return;
    const rows = (await response.json()).results;
    this.etag = response.headers.get("ETag");
    this.facts = this.facts.slice(known);
    this.store.keep(this.address, rows);
    this.store.keep(this.factsAddress, this.facts);
    this.replace(rows);
  }

  get seconds() {
    return Math.max(REFRESH_SECONDS, this.byId.size / ROWS_OF_A_SECOND);
  }

  replace(rows) {
    this.byId = new Map(rows.map((row) => [row.id, row]));
    this.byDigest = new Map(rows.map((row) => [row.ticket_sha256, row]));
    rows.forEach((row) => {
      row.folded = door.folded(row.name);
    });
    this.facts.forEach((facts) => Object.assign(this.byId.get(facts.id) || {}, facts));
    this.waiting().forEach((scan) => this.apply(scan));
    this.isLoaded = true;
    this.onChange();
  }

  /* The person whose ticket has this code. Undefined if the list does not have it. */
  async withCode(code) {
    if (!window.crypto.subtle) return undefined; // only over HTTPS
    const bytes = new TextEncoder().encode(code);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return this.byDigest.get(
      Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join(""),
    );
  }

  matching(text) {
    const words = door.folded(text).split(" ").filter(Boolean);
    if (!words.length) return [];
    const rows = [...this.byId.values()];
    return rows
      .filter((row) => words.every((word) => row.folded.includes(word)))
      .slice(0, MAX_MATCHES);
  }

  /* Applies a scan of this phone at once. The next list has what the server made of it. */
  apply(scan) {
    const person = this.byId.get(scan.person);
    if (!person || person.status !== "confirmed") return;
    if (scan.undo) {
      person.admitted_count = 0;
      person.checked_in_at = null;
    } else {
      const left = person.party_size - person.admitted_count;
      person.admitted_count += Math.min(scan.count || left, left);
      person.checked_in_at = person.checked_in_at || scan.at;
    }
    this.etag = null; // so that the next list replaces this
  }

  /* Takes over what the server responded about a person. */
  update(facts) {
    const person = this.byId.get(facts.id);
    if (!person) return;
    const { id, status, party_size, admitted_count, checked_in_at } = facts;
    this.facts.push({ id, status, party_size, admitted_count, checked_in_at });
    this.store.keep(this.factsAddress, this.facts);
    Object.assign(person, this.facts.at(-1));
  }

  get counts() {
    const counts = { admitted: 0, expected: 0 };
    for (const person of this.byId.values()) {
      if (person.status !== "confirmed") continue;
      counts.admitted += person.admitted_count;
      counts.expected += person.party_size;
    }
    return counts;
  }
};

/* A text for comparing: without case, accents and punctuation. */
door.folded = (text) =>
  text
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/['’]/g, "")
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim();

/* What a volunteer has to know about a person. The server has the same words in `door_state`. */
door.stateOf = (person, clockTime) => {
  if (person.status === "waitlisted") return "On the waitlist";
  if (!person.checked_in_at) {
    return person.party_size > 1 ? `Party of ${person.party_size}` : "Not in yet";
  }
  const since = clockTime(person.checked_in_at);
  return person.party_size > 1
    ? `${person.admitted_count} of ${person.party_size} in since ${since}`
    : `In since ${since}`;
};
