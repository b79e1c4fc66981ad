/* Loads the check-in page during a loss of the network. door_store.js fills the caches. */
"use strict";

const PATIENCE_MILLISECONDS = 5000;

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== self.location.origin) return;
  const [, link] = pathname.match(/^(\/door\/[\w-]+)\/?$/) || [];
  if (link && request.mode === "navigate") event.respondWith(page(request, link));
  else if (pathname.startsWith("/static/")) event.respondWith(file(request));
});

/* From the server, else as it was kept. A page that has ended is deleted with its list. */
async function page(request, link) {
  const cacheName = `door:${link}`;
  const kept = await caches.match(link, { cacheName, ignoreVary: true });
  const fetched = fetch(request).catch(() => undefined);
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE_MILLISECONDS));
  const response = await (kept ? Promise.race([fetched, late]) : fetched);
  if (response && [404, 410].includes(response.status)) await forget(cacheName);
  else if (kept && (!response || response.status === 429 || response.status >= 500)) return kept;
  return response || Response.error();
}

/* The names of files contain a hash of their content, so a kept one is never outdated. */
async function file(request) {
  return (await caches.match(request, { ignoreVary: true })) || fetch(request);
}

async function forget(cacheName) {
  await caches.delete(cacheName);
  const hasOthers = (await caches.keys()).some((each) => each.startsWith("door:"));
  if (!hasOthers) await self.registration.unregister();
}
