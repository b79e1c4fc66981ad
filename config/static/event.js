// Progressive enhancement of the pages of an event and of a registration: the visitor's own time,
// questions that depend on answers, and seats that stay current.
(() => {
  const local = document.getElementById("local-time");
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (local && zone && zone !== local.dataset.zone) {
    const start = new Date(local.dataset.start);
    const end = new Date(local.dataset.end);
    const offset = (moment, timeZone) =>
      moment.toLocaleString("en-GB", { timeZone, dateStyle: "short", timeStyle: "short" });
    if (offset(start, zone) !== offset(start, local.dataset.zone)) {
      const format = new Intl.DateTimeFormat("en-GB", {
        weekday: "long", day: "numeric", month: "long", hour: "2-digit", minute: "2-digit",
      });
      local.textContent = `For you: ${format.formatRange(start, end)} (${zone})`;
      local.hidden = false;
    }
  }
  // Countries by their names instead of their codes.
  const names = new Intl.DisplayNames("en", { type: "region" });
  for (const list of document.querySelectorAll("select[autocomplete=country]")) {
    const [none, ...countries] = list.options;
    const chosen = list.value;
    for (const each of countries) each.textContent = names.of(each.value);
    countries.sort((a, b) => a.text.localeCompare(b.text));
    list.replaceChildren(none, ...countries);
    list.value = chosen;
  }
  // Questions that depend on an answer are shown when they are asked.
  const dependent = [...document.querySelectorAll("[data-depends-on]")];
  const answersTo = (name) =>
    [...document.getElementsByName(name)]
      .filter((e) => !e.disabled && (!/radio|checkbox/.test(e.type) || e.checked))
      .map((e) => e.value);
  const controls = (e) => e.querySelectorAll("input, select, textarea");
  const full = new Set([...document.querySelectorAll("form input:disabled")]);
  const update = () => {
    for (const e of dependent) {
      const wanted = JSON.parse(e.dataset.shownFor);
      e.hidden = !answersTo(e.dataset.dependsOn).some((value) => wanted.includes(value));
      for (const control of controls(e)) control.disabled = e.hidden || full.has(control);
    }
  };
  if (dependent.length) {
    for (const hint of document.querySelectorAll(".condition")) hint.hidden = true;
    document.addEventListener("input", update);
    update();
  }
  const seats = document.getElementById("seats");
  if (!seats || !window.EventSource) return;
  let last = null;
  const stream = new EventSource(seats.dataset.stream);
  const close = () => stream.close();
  stream.addEventListener("end", close);
  window.addEventListener("pagehide", close);
  stream.onmessage = (message) => {
    const { max_capacity: all, registered_count: taken, available_seats: free, waitlist_count: waiting, registration_state: state } =
      JSON.parse(message.data);
    const current = `${all} ${taken} ${waiting} ${state}`;
    // Also at the first message: the page may be older than it.
    if (last !== current) {
      const meter = seats.querySelector("meter");
      const number = document.createElement("strong");
      if (all === null) {
        number.textContent = taken;
        seats.replaceChildren(number, taken === 1 ? " person is coming." : " people are coming.");
      } else if (free > 0 && (waiting === 0 || state === "open" || seats.dataset.policy === "first_fit")) {
        // With parties that wait, "open" says that none of them fits.
        number.textContent = free;
        seats.replaceChildren(number, ` of ${all} ${all === 1 ? "seat is" : "seats are"} free`);
      } else if (free > 0) {
        const people = document.createElement("strong");
        number.textContent = free;
        people.textContent = waiting;
        seats.replaceChildren(
          number, `${free === 1 ? " seat is" : " seats are"} kept for the queue, `,
          people, waiting === 1 ? " person is waiting" : " people are waiting",
        );
      } else {
        seats.replaceChildren(all === 1 ? "The only seat is taken" : `All ${all} seats are taken`);
        if (waiting) {
          number.textContent = waiting;
          seats.append(", ", number, waiting === 1 ? " person is waiting" : " people are waiting");
        }
      }
      if (meter && all !== null) {
        meter.max = all;
        meter.value = taken;
        seats.append(meter);
      }
    }
    last = current;
  };
})();
