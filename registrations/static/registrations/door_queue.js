/* Scans that are to be sent. They are stored until the server has responded to them. */
"use strict";

window.door = window.door || {};

const STORED = "door:event:";

/* The scans of an event are stored together: when a link ends, another link of the event sends
   them. After `expires` no link works any more. */
door.Queue = class {
  /* `onOutcome(scan, outcome)` gets the response to each scan, `onChange()` every change of state. */
  constructor({ event, expires, address, onOutcome, onChange }) {
    this.name = `${STORED}${event}`;
    this.expires = expires;
    this.address = address;
    this.onOutcome = onOutcome;
    this.onChange = onChange;
    this.memory = [];
    this.state = "online"; // or "offline", "ended"
    this.delay = 0;
    this.timer = null;
    this.isSending = false;
    window.addEventListener("online", () => this.send());
  }

  get scans() {
    try {
      return JSON.parse(localStorage.getItem(this.name))?.scans || [];
    } catch {
      return this.memory; // a browser may refuse storage
    }
  }

  set scans(scans) {
    this.memory = scans;
    try {
      if (scans.length) {
        const stored = { expires: this.expires, scans };
        localStorage.setItem(this.name, JSON.stringify(stored));
      } else localStorage.removeItem(this.name);
    } catch {
      /* They stay in memory. */
    }
  }

  get hasExpired() {
    return door.now() > new Date(this.expires);
  }

  forget() {
    this.scans = [];
  }

  /* A scan is later than those before it, even if the clock of the phone was set back meanwhile. */
  add(scan) {
    const last = this.scans.at(-1);
    const at =
      last && scan.at <= last.at ? new Date(Date.parse(last.at) + 1).toISOString() : scan.at;
    this.scans = [...this.scans, { ...scan, at }];
    this.onChange();
    this.send();
  }

  async send() {
    if (this.isSending || this.state === "ended") return;
    this.isSending = true;
    clearTimeout(this.timer);
    try {
      while (this.scans.length) await this.sendBatch(this.scans.slice(0, this.single ? 1 : 100));
    } catch (error) {
      this.postpone(error.seconds);
    } finally {
      this.isSending = false;
      this.onChange();
    }
  }

  async sendBatch(batch) {
    const response = await door.request(this.address, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ check_ins: batch.map(({ person, ...scan }) => scan) }),
    });
    if (response.status === 404) this.state = "ended";
    if (response.status === 400 && batch.length > 1) {
      this.single = true; // so that one bad scan does not hold up the others
      return;
    }
    let outcomes;
    if (response.ok) {
      outcomes = (await response.json()).results;
    } else if (response.status === 400) {
      const problem = await response.json();
      outcomes = [{ status: 400, code: problem.code, detail: "This is no code of a ticket." }];
      this.single = false;
    } else {
      const seconds = Number(response.headers.get("Retry-After")) || 0;
      throw Object.assign(new Error("not accepted"), { seconds });
    }
    this.state = "online";
    this.delay = 0;
    const sent = new Set(batch.map((scan) => scan.nonce));
    this.scans = this.scans.filter((scan) => !sent.has(scan.nonce));
    batch.forEach((scan, number) => this.onOutcome(scan, outcomes[number]));
  }

  postpone(seconds = 0) {
    if (this.state === "ended") return;
    this.state = "offline";
    this.delay = Math.min(Math.max(this.delay * 2, 2), 30);
    this.timer = setTimeout(() => this.send(), Math.max(this.delay, seconds) * 1000);
  }
};

/* How far the clock of the server is ahead of that of this phone, in milliseconds. */
door.ahead = 0;

/* The server has responded with a `date` between these two times of the phone. The date has whole
   seconds. `door.ahead` changes no more than it has to: a clock that went back between two scans
   would reverse them, and an undo would be before the check-in that it is for. */
door.compareClocks = (date, sentAt, receivedAt) => {
  const [least, most] = [date - receivedAt, date + 1000 - sentAt];
  door.ahead = Math.min(Math.max(door.ahead, least), most);
};

/* `fetch` without a cache, for eight seconds at most. It sets `door.ahead`. */
door.request = async (address, options = {}) => {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), 8000);
  const sentAt = Date.now();
  try {
    const response = await fetch(address, { ...options, cache: "no-store", signal: abort.signal });
    const date = Date.parse(response.headers.get("Date"));
    if (date) door.compareClocks(date, sentAt, Date.now());
    return response;
  } finally {
    clearTimeout(timer);
  }
};

door.now = () => new Date(Date.now() + door.ahead);

/* Deletes the scans that no link can send any more, except those of `kept`. It is called after a
   response of the server, since the clock of the phone alone must not delete anything. */
door.forgetExpired = (kept) => {
  try {
    for (const name of Object.keys(localStorage)) {
      if (!name.startsWith(STORED) || name === kept) continue;
      const { expires } = JSON.parse(localStorage.getItem(name));
      if (door.now() > new Date(expires)) localStorage.removeItem(name);
    }
  } catch {
    /* A browser may refuse storage. */
  }
};

door.newNonce = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
