// Keeps the output page, so that a program that opens its address first, such as OBS at its start,
// gets the page and not an error of the browser's; the page then waits for ours.

const STORE = "output";
const FILES = ["/output", "/output.css", "/output.js", "/socket.js", "/clock.js", "/icon.svg"];

addEventListener("install", (event) => {
  skipWaiting();
  event.waitUntil(caches.open(STORE).then((store) => store.addAll(FILES)));
});

addEventListener("fetch", (event) => {
  const { pathname } = new URL(event.request.url);
  if (event.request.method !== "GET" || !FILES.includes(pathname)) return;
  event.respondWith(answer(event.request, pathname));
});

// The program's own answer is the newest; its files change with its version.
async function answer(request, pathname) {
  const store = await caches.open(STORE);
  try {
    const fresh = await fetch(request);
    if (fresh.ok) await store.put(pathname, fresh.clone());
    return fresh;
  } catch (error) {
    const kept = await store.match(pathname);
    if (kept) return kept;
    throw error;
  }
}
