// Days of the filter are days in the visitor's zone.
(() => {
  const field = document.getElementById("zone");
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const day = document.getElementById("on");
  if (!field || !zone || !day) return;
  const update = () => {
    field.value = zone;
    field.disabled = !day.value;
  };
  day.addEventListener("change", update);
  update();
  // An empty field would only lengthen the address.
  day.form.addEventListener("submit", () => {
    for (const each of day.form.elements) if (each.name && !each.value) each.disabled = true;
  });
})();
