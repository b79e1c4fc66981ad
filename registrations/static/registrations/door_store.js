/* What the phone keeps for a loss of the network: the page with its files, and the list. */
"use strict";

window.door = window.door || {};

/* A link has one cache, so what it kept is deleted as a whole. Browsers have caches over HTTPS and
   for localhost. Elsewhere nothing is kept. */
door.Store = class {
  constructor(page) {
    this.page = page; // the address without a query
    this.name = `door:${page}`;
  }

  /* Resolves to whether the page can be loaded without a network. */
  keepPage(decoder) {
    return this.use(async (cache) => {
      await navigator.serviceWorker.register("/door/worker.js", { scope: "/door/" });
      const files = [...document.querySelectorAll("link[rel=stylesheet], script[src]")];
      const named = [this.page, decoder, ...files.map((each) => each.href || each.src)];
      const addresses = new Set(named.map((each) => new URL(each, location.href).href));
      try {
        await cache.addAll([...addresses]); // all or none: a page never lacks its own files
        for (const { url } of await cache.keys()) {
          if (url.includes("/static/") && !addresses.has(url)) await cache.delete(url);
        }
      } catch {
        /* Without a network what was kept before stays. */
      }
      return Boolean(await cache.match(this.page, { ignoreVary: true }));
    });
  }

  keep(address, value) {
    const text = JSON.stringify(value); // at once, since the page changes its rows
    return this.use((cache) => cache.put(address, new Response(text)));
  }

  /* What was kept, or undefined. */
  read(address) {
    return this.use(async (cache) => (await cache.match(address))?.json());
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
