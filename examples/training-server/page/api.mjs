// Requests to the server, and the stream of its events. A token is kept for as long as the tab is open.

const place = 'orthokit-token';
const ask = /** @type {HTMLDialogElement} */ (document.getElementById('ask'));
const field = /** @type {HTMLInputElement} */ (document.getElementById('token'));
/** @type {Promise<void> | undefined} */
let asking;

/** @returns {Record<string, string>} */
function authorization() {
  const token = sessionStorage.getItem(place);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/** One question, however many requests wait for the answer. */
async function askForToken() {
  asking ??= new Promise((resolve) => {
    ask.addEventListener('close', () => resolve(undefined), { once: true });
    ask.showModal();
  });
  await asking;
  asking = undefined;
  sessionStorage.setItem(place, field.value);
}

/** @param {string} path @param {RequestInit} [options] @returns {Promise<Response>} */
export async function request(path, options = {}) {
  for (;;) {
    const response = await fetch(path, { ...options, headers: { ...options.headers, ...authorization() } });
    if (response.status !== 401) return response;
    await askForToken();
  }
}

/** @param {string} path @param {string} [method] @param {unknown} [body] @returns {Promise<any>} */
export async function json(path, method = 'GET', body) {
  const response = await request(path, {
    method,
    ...(body === undefined ? {} : { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }),
  });
  const answer = response.status === 204 ? undefined : await response.json();
  if (!response.ok) throw new Error(answer.detail ?? `status ${response.status}`);
  return answer;
}

/**
 * Listens to the events of all runs, one stream for the page, and goes on after the last one when the link is lost. A
 * hidden page lets go of its connection: browsers have six for a server.
 *
 * @param {{ onEvent: (type: string, data: any) => void, onLink: (isThere: boolean) => void, after: number }} options
 */
export async function listen({ onEvent, onLink, after }) {
  let seen = after;
  for (;;) {
    await visible();
    const leave = new AbortController();
    const hide = () => document.hidden && leave.abort();
    document.addEventListener('visibilitychange', hide);
    try {
      const response = await request('/events', { headers: { 'Last-Event-ID': `${seen}` }, signal: leave.signal });
      if (!response.ok || !response.body) throw new Error(`status ${response.status}`);
      onLink(true);
      for await (const { id, type, data } of eventsOf(response.body)) {
        onEvent(type, data);
        seen = id;
      }
    } catch {
      // Lost, refused or let go: asked for again below.
    } finally {
      document.removeEventListener('visibilitychange', hide);
    }
    if (!document.hidden) onLink(false);
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}

/** @returns {Promise<void>} */
const visible = () =>
  new Promise((resolve) => {
    if (!document.hidden) return resolve();
    document.addEventListener('visibilitychange', () => resolve(), { once: true });
  });

/** @param {ReadableStream<Uint8Array>} body */
async function* eventsOf(body) {
  const reader = body.pipeThrough(/** @type {any} */ (new TextDecoderStream())).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = Object.fromEntries(
        block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      );
      if (fields.data) yield { id: Number(fields.id), type: fields.event, data: JSON.parse(fields.data) };
    }
  }
}
