/* What the phone keeps for a loss of the network: the page with its files, and the list. */
"use strict";

window.door = window.door || {};

/* The addresses of the files that a check-in page names. */
const filesOf = (page) => {
  const named = [...page.querySelectorAll("link[rel=stylesheet], script[src]")].map(
    (each) => each.getAttribute("href") || each.getAttribute("src"),
  );
  named.push(page.getElementById("door").dataset.decoder);
  return [...new Set(named.map((each) => new URL(each, location.href).href))];
};

/* A link has one cache, so what it kept can be deleted as a whole. Browsers have caches over HTTPS and
   for localhost. Elsewhere nothing is kept. */
door.Store = class {
  constructor(page) {
    this.page = page; // the address without a query
    this.name = `door:${page}`;
  }

  /* Resolves to whether the page can be loaded without a network. */
  keepPage() {
    return this.use(async (cache) => {
      await navigator.serviceWorker.register("/door/worker.js", { scope: "/door/" });
      try {
        await this.keepCurrent(cache);
      } catch {
        /* Without a network what was kept before stays. */
      }
      return Boolean(await cache.match(this.page, { ignoreVary: true }));
    });
  }

  /* Keeps the page as the server has it, with the files that it names. After a deploy these are
     others than those of the page that runs. */
  async keepCurrent(cache) {
    const response = await fetch(this.page, { cache: "no-store" });
    const page = new DOMParser().parseFromString(await response.clone().text(), "text/html");
    if (!response.ok || !page.getElementById("door")) throw new Error("not the page");
    const files = filesOf(page);
    await cache.addAll(files); // all or none, and before the page: it never lacks its own files
    await cache.put(this.page, response);
    const needed = new Set([...files, ...filesOf(document)]); // the one that runs loads its decoder late
    for (const { url } of await cache.keys()) {
      if (url.includes("/static/") && !needed.has(url)) await cache.delete(url);
    }
  }

  keep(address, value) {
    const text = JSON.stringify(value); // at once, since the page changes its rows
    return this.use((cache) => cache.put(address, new Response(text)));
  }

  /* What was kept, or undefined. */
  read(address) {
    return this.use(async (cache) => (await cache.match(address))?.json());
  }

  remove(addresses) {
    return this.use((cache) => Promise.all(addresses.map((each) => cache.delete(each))));
  }

  forget() {
    return this.use(() => caches.delete(this.name));
  }

  async use(action) {
    try {
      return await action(await caches.open(this.name));
    } catch {
      return undefined; // a browser may refuse storage
    }
  }
};
