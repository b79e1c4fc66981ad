/* The check-in page: results, camera, typed codes, names, and scans without a network. */
"use strict";

(() => {
  const byId = (id) => document.getElementById(id);
  const main = byId("door");
  const clock = new Intl.DateTimeFormat("en-GB", {
    hour: "2-digit",
    minute: "2-digit",
    timeZone: main.dataset.zone,
  });
  const clockTime = (at) => clock.format(new Date(at));
  const SYMBOLS = { ok: "✓", warn: "!", bad: "✕", wait: "…" };
  let shownNonce = null;
  let lastTold = {};

  // --- Results ---

  function element(name, text, attributes = {}) {
    const made = document.createElement(name);
    made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  function button(text, label, onClick, className = "") {
    const made = element("button", text, { type: "button", "aria-label": label });
    made.className = className;
    made.addEventListener("click", onClick);
    return made;
  }

  function show(kind, title, text, buttons = []) {
    const result = byId("result");
    const symbol = element("p", SYMBOLS[kind], { "aria-hidden": "true" });
    symbol.className = "symbol";
    const actions = element("div", "");
    actions.className = "actions";
    actions.append(...buttons);
    result.replaceChildren(symbol, element("h2", title), element("p", text), actions);
    result.className = `result ${kind}`;
    result.hidden = false;
    result.scrollIntoView({ block: "nearest" });
  }

  function showPerson(kind, person, text) {
    const isIn = person.status === "confirmed" && person.admitted_count > 0;
    show(kind, person.name, text, isIn ? [undoButton(person)] : []);
  }

  const undoButton = (person) =>
    button("Undo", `Undo the check-in of ${person.name}`, () => undo(person), "quiet");

  // --- Sounds ---

  let audio = null;

  function signal(kind) {
    // Browsers refuse it, with a warning, before the page was touched.
    if (navigator.vibrate && navigator.userActivation?.hasBeenActive) navigator.vibrate(kind === "ok" ? 60 : [120, 80, 120]);
    if (!byId("sound").checked || !window.AudioContext) return;
    audio = audio || new AudioContext();
    const notes = { ok: [880, 1320], warn: [660, 660], bad: [220, 165], wait: [520] }[kind];
    notes.forEach((frequency, number) => {
      const [tone, volume] = [audio.createOscillator(), audio.createGain()];
      const start = audio.currentTime + number * 0.16;
      tone.type = kind === "bad" ? "square" : "sine";
      tone.frequency.value = frequency;
      volume.gain.setValueAtTime(0.25, start);
      volume.gain.exponentialRampToValueAtTime(0.001, start + 0.15);
      tone.connect(volume).connect(audio.destination);
      tone.start(start);
      tone.stop(start + 0.16);
    });
  }

  // --- Scans ---

  const store = new door.Store(main.dataset.page);
  const people = new door.People({
    address: main.dataset.list,
    store,
    waiting: () => queue.scans,
    onChange: renderAll,
  });
  const queue = new door.Queue({
    event: main.dataset.event,
    expires: main.dataset.expires,
    address: main.dataset.scans,
    onOutcome,
    onChange: stateChanged,
  });

  function enqueue(scan, person) {
    const sent = { nonce: door.newNonce(), at: door.now().toISOString(), ...scan };
    shownNonce = sent.nonce;
    if (person) people.apply({ ...sent, person: person.id });
    queue.add({ ...sent, person: person && person.id });
    renderAll();
  }

  /* A code that was scanned or typed. */
  async function scanned(text) {
    const code = text.trim().toUpperCase();
    if (!code) return;
    const person = await people.withCode(code);
    // A scan that waits for the network contains no ticket of a person on the list.
    if (person) choose(person, { registration: person.id });
    else {
      const text = queue.state === "online" ? "" : "It is checked when the network is back.";
      show("wait", text ? "Not on the list" : "Checking…", text);
      enqueue({ ticket_code: code });
    }
  }

  /* Asks how many of a party come in. */
  function choose(person, target) {
    const left = person.party_size - person.admitted_count;
    if (person.status !== "confirmed" || left < 2) {
      checkIn(person, target);
      return;
    }
    const numbers = [left, ...Array.from({ length: Math.min(left - 1, 9) }, (_, n) => n + 1)];
    const buttons = numbers.map((count) =>
      button(
        count === left ? `All ${left}` : String(count),
        `Check in ${count} of ${person.name}`,
        () => checkIn(person, { ...target, count }),
        count === left ? "" : "quiet",
      ),
    );
    const already = person.admitted_count ? ` ${person.admitted_count} are in.` : "";
    show("wait", person.name, `A party of ${person.party_size}.${already} How many come in?`, buttons);
    signal("wait");
    buttons[0].focus();
  }

  function checkIn(person, target) {
    const since = person.checked_in_at;
    const left = person.party_size - person.admitted_count;
    enqueue(target, person);
    if (person.status !== "confirmed") tell("bad", person, "On the waitlist: no seat yet.");
    else if (left) tell("ok", person, welcome(person));
    else tell("warn", person, `Already in since ${clockTime(since)}.`);
  }

  function undo(person) {
    enqueue({ registration: person.id, undo: true }, person);
    showPerson("wait", person, "The check-in is undone.");
    byId("code").focus();
  }

  function tell(kind, person, text) {
    showPerson(kind, person, text);
    signal(kind);
    lastTold = { nonce: shownNonce, kind };
  }

  const welcome = (person) =>
    person.party_size > 1
      ? `Welcome! ${person.admitted_count} of ${person.party_size} are in.`
      : "Welcome!";

  /* The response of the server. It is shown unless the page has shown the same already. */
  function onOutcome(scan, outcome) {
    if (outcome.status === 200) people.update(outcome.registration);
    renderAll();
    const isShown = scan.nonce === shownNonce;
    const [kind, title, text] = verdict(scan, outcome);
    const isUndone = scan.undo && !outcome.registration?.checked_in_at;
    if (outcome.status === 200 && (!isShown || isUndone)) return;
    if (isShown && lastTold.nonce === scan.nonce && lastTold.kind === kind) return;
    // A refusal of an earlier scan is shown, too: somebody went in without a seat.
    const person = outcome.registration && people.byId.get(outcome.registration.id);
    if (person) showPerson(kind, person, text);
    else show(kind, title, text, outcome.registration ? [undoButton(outcome.registration)] : []);
    signal(kind);
  }

  function verdict(scan, outcome) {
    const known = people.byId.get(scan.person);
    if (outcome.status !== 200) {
      const title = known ? known.name : "Not valid";
      return ["bad", title, outcome.detail || "The ticket is not valid here."];
    }
    const facts = outcome.registration;
    if (outcome.admitted_now) return ["ok", facts.name, welcome(facts)];
    if (!facts.checked_in_at) return ["wait", facts.name, "The check-in was undone meanwhile."];
    if (scan.undo) return ["warn", facts.name, "Still in: the ticket was scanned again."];
    return ["warn", facts.name, `Already in since ${clockTime(facts.checked_in_at)}.`];
  }

  // --- What the page shows ---

  function renderAll() {
    renderMatches();
    renderConnection();
    if (!people.isLoaded) return;
    const { admitted, expected } = people.counts;
    byId("admitted").textContent = admitted;
    byId("expected").textContent = expected;
  }

  function renderMatches() {
    if (!people.isLoaded) return;
    const text = byId("q").value;
    const matches = people.matching(text);
    const focused = document.activeElement && document.activeElement.getAttribute("aria-label");
    byId("people").replaceChildren(...matches.map(row));
    const summary = matches.length ? `${matches.length} found` : "Nobody of that name has registered.";
    byId("matches").textContent = text.trim() ? summary : "";
    const again = [...byId("people").querySelectorAll("button")].find(
      (each) => each.getAttribute("aria-label") === focused,
    );
    if (focused && again) again.focus();
  }

  function row(person) {
    const [item, facts, actions] = ["li", "div", "div"].map((name) => element(name, ""));
    facts.append(element("strong", person.name), element("span", door.stateOf(person, clockTime)));
    actions.className = "actions";
    const isConfirmed = person.status === "confirmed";
    if (isConfirmed && person.admitted_count < person.party_size) {
      const target = { registration: person.id };
      actions.append(
        button("Check in", `Check in ${person.name}`, () => choose(person, target)),
      );
    }
    if (isConfirmed && person.admitted_count) actions.append(undoButton(person));
    item.append(facts, actions);
    return item;
  }

  function renderConnection() {
    const number = queue.scans.length;
    const kept = number === 1 ? "1 scan is" : `${number} scans are`;
    const text = {
      online: "",
      offline: `No network. ${number ? `${kept} kept on this phone and sent later.` : "Go on scanning."}`,
      ended: `This link has ended. Ask the organizer for another one.${number ? ` ${kept} not sent: the other link sends ${number === 1 ? "it" : "them"} from this phone.` : ""}`,
    }[queue.state];
    const connection = byId("connection");
    if (connection.textContent !== text) connection.textContent = text;
    connection.hidden = !text;
  }

  function stateChanged() {
    if (queue.state === "ended") people.end();
    renderConnection();
  }

  // --- The page's controls ---

  async function refresh() {
    try {
      await people.load();
      if (queue.state === "offline") await queue.send();
      if (!queue.scans.length && queue.state !== "ended") queue.state = "online";
    } catch (error) {
      if (error.hasEnded || queue.hasExpired) queue.state = "ended";
      else if (queue.state === "online") queue.state = "offline";
      if (queue.state !== "ended" && people.isOutdated) people.forget();
      if (error.hasEnded && queue.hasExpired) queue.forget(); // no other link can send them
    }
    stateChanged();
    setTimeout(refresh, (queue.state === "offline" ? 5 : people.seconds) * 1000);
  }

  function startCamera() {
    const camera = new door.Camera({
      video: byId("video"),
      decoder: main.dataset.decoder,
      onCode: scanned,
    });
    byId("camera").hidden = false;
    byId("start").addEventListener("click", async () => {
      const isOn = Boolean(camera.stream);
      byId("camera-problem").hidden = true;
      byId("view").hidden = isOn;
      byId("start").textContent = isOn ? "Scan with the camera" : "Stop the camera";
      if (isOn) {
        camera.stop();
        return;
      }
      try {
        await camera.start();
      } catch {
        camera.stop();
        byId("view").hidden = true;
        byId("start").textContent = "Scan with the camera";
        byId("camera-problem").textContent =
          "The camera cannot be used. Allow it in the browser, or type the code.";
        byId("camera-problem").hidden = false;
      }
    });
  }

  byId("typed").addEventListener("submit", (event) => {
    event.preventDefault();
    scanned(byId("code").value);
    byId("code").value = "";
  });
  byId("search").addEventListener("submit", (event) => event.preventDefault());
  byId("q").addEventListener("input", renderMatches);
  byId("find").hidden = true;
  byId("sounds").hidden = false;
  if (door.Camera.isAvailable) startCamera();
  start();

  async function start() {
    await people.restoreClock();
    if (queue.hasExpired) await people.end();
    else await people.restore();
    queue.send();
    await refresh();
    if (queue.state === "online") door.forgetExpired(queue.name);
    if (queue.state !== "ended") byId("kept").hidden = !(await store.keepPage());
  }
})();
