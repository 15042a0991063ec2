import { request } from './api.mjs';
import { byId } from './dom.mjs';

/** Events after which a log that is open is asked for anew. */
const told = ['state', 'start', 'checkpoint', 'warning', 'change', 'applied', 'result'];
/** Milliseconds from one look at a log to the next: the server reads through the whole run for each. */
const pause = 2000;
let open = '';
let isReading = false;
let isDue = false;

/** Shows the last lines of a run's log, and those that come as long as it is open. @param {string} id @param {string} name */
export function showLog(id, name) {
  open = id;
  byId('log-title').textContent = `Log of ${name}`;
  byId('log-lines').value = '';
  byId('log-of').showModal();
  read();
}

/** @param {string} id @param {string} type */
export function tellLog(id, type) {
  if (id === open && told.includes(type)) read();
}

/** One look is under way at a time; what comes meanwhile is looked for once behind it. */
function read() {
  isDue = true;
  if (isReading) return;
  isReading = true;
  void (async () => {
    while (isDue && byId('log-of').open) {
      isDue = false;
      const id = open;
      const text = await textOf(id);
      if (text === undefined)
        isDue = true; // The server has too much to do, or cannot be reached.
      else if (id === open) write(text);
      await new Promise((resolve) => setTimeout(resolve, id === open ? pause : 0));
    }
    isReading = false;
  })();
}

/** @param {string} id */
async function textOf(id) {
  try {
    const response = await request(`/jobs/${id}/log`);
    return response.ok ? await response.text() : undefined;
  } catch {
    return undefined;
  }
}

/** @param {string} text */
function write(text) {
  const lines = byId('log-lines');
  if (lines.value === text) return;
  lines.value = text;
  lines.scrollTop = lines.scrollHeight;
}
