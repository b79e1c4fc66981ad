"use strict";

// ReDoc draws the whole document before it shows anything, which takes seconds. So it gets one
// chapter complete, and only the names of the operations of the others.
const page = document.getElementById("redoc");
const chapterOf = (operation) => operation.tags[0].replaceAll(" ", "-");
const namedChapter = () => location.hash.match(/^#tag\/([^/]+)/)?.[1];
let drawn;

function outlined(operation) {
  const { operationId, summary, tags } = operation;
  const address = `#tag/${chapterOf(operation)}/operation/${operationId}`;
  return { operationId, summary, tags, description: `[Show the details](${address})` };
}

async function draw() {
  const response = await fetch(page.dataset.document);
  if (!response.ok) throw new Error(`The document is not available (${response.status}).`);
  const whole = await response.json();
  const items = Object.values(whole.paths);
  const chapters = items.flatMap((item) => Object.values(item).map(chapterOf));
  const named = namedChapter();
  drawn = chapters.includes(named) ? named : chapters[0];
  for (const item of items)
    for (const [method, operation] of Object.entries(item))
      if (chapterOf(operation) !== drawn) item[method] = outlined(operation);
  Redoc.init(whole, options, page);
}

// A link, the menu or the search leads to another chapter.
function follow() {
  const named = namedChapter();
  if (drawn && named && named !== drawn) location.reload();
}
addEventListener("hashchange", follow);
const pushState = history.pushState;
history.pushState = function (...facts) {
  pushState.apply(this, facts);
  follow();
};
// ReDoc replaces the address while one scrolls, so a link or an item of the menu may lead to the
// address that is shown, which is no change of it.
page.addEventListener("click", ({ target }) => {
  const to = target.closest("a, [data-item-id]");
  if (to && (to.hash ?? `#${to.dataset.itemId}`) === location.hash) follow();
});

// ReDoc shows its makers' logo from their host. This page asks nobody but its own server.
const inside = (address) => (String(address).startsWith("https://") ? "data:," : address);
const image = HTMLImageElement.prototype;
const source = Object.getOwnPropertyDescriptor(image, "src");
Object.defineProperty(image, "src", {
  ...source,
  set(address) {
    source.set.call(this, inside(address));
  },
});
image.setAttribute = function (name, value) {
  Element.prototype.setAttribute.call(this, name, name === "src" ? inside(value) : value);
};

// ReDoc has a light theme alone. It reads another one as it starts, so a change of the system's
// scheme loads the page again.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const result = (color, backgroundColor) => ({ color, backgroundColor, tabTextColor: color });
const options = {
  downloadDefinitionUrl: page.dataset.document,
  nativeScrollbars: true,
  requiredPropsFirst: true,
  hideSchemaPattern: true, // for programs, which read them in the document
};
if (dark.matches) {
  options.theme = {
    colors: {
      primary: { main: "#7db8f5" },
      success: { main: "#7fd69a" },
      warning: { main: "#f0b35e" },
      error: { main: "#ff9b94" },
      text: { primary: "#e8ecf1", secondary: "#b4bfcc" },
      gray: { 50: "#1d232b", 100: "#262d37" },
      border: { dark: "#3a424d", light: "#262d37" },
      responses: {
        success: result("#7fd69a", "#16281c"),
        error: result("#ff9b94", "#311b1a"),
        redirect: result("#f0b35e", "#2e2414"),
        info: result("#7fc4e0", "#14262e"),
      },
    },
    schema: { linesColor: "#4a5563", nestedBackground: "#1a2028", typeNameColor: "#b4bfcc" },
    typography: { code: { color: "#ffb4ab", backgroundColor: "#262d37" } },
    sidebar: { backgroundColor: "#171c23", textColor: "#e8ecf1" },
    rightPanel: {
      backgroundColor: "#0b0e12",
      servers: {
        overlay: { backgroundColor: "#1d232b", textColor: "#e8ecf1" },
        url: { backgroundColor: "#12161c" },
      },
    },
  };

}
dark.addEventListener("change", () => location.reload());
draw().catch((error) => {
  page.textContent = `${error.message} Reload the page.`;
});
