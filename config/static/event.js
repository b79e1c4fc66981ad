// Progressive enhancement of an event's page: the visitor's own time, and seats that stay current.
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
  const seats = document.getElementById("seats");
  if (!seats || !window.EventSource) return;
  let last = null;
  const stream = new EventSource(seats.dataset.stream);
  const close = () => stream.close();
  stream.addEventListener("end", close);
  window.addEventListener("pagehide", close);
  stream.onmessage = (message) => {
    const { max_capacity: all, registered_count: taken, available_seats: free, waitlist_count: waiting } =
      JSON.parse(message.data);
    const current = `${all} ${taken} ${waiting}`;
    if (last !== null && last !== current) {
      const meter = seats.querySelector("meter");
      const number = document.createElement("strong");
      if (all === null) {
        number.textContent = taken;
        seats.replaceChildren(number, taken === 1 ? " person is coming." : " people are coming.");
      } else if (free > 0 && waiting === 0) {
        number.textContent = free;
        seats.replaceChildren(number, ` of ${all} ${all === 1 ? "seat is" : "seats are"} free`);
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
