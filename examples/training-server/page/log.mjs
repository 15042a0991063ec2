import { request } from './api.mjs';
import { byId } from './dom.mjs';

/** Events after which a log that is open is asked for anew. */
const told = ['state', 'start', 'checkpoint', 'warning', 'change', 'applied', 'result'];
let open = '';

/** Shows the last lines of a run's log, and those that come as long as it is open. @param {string} id @param {string} name */
export async function showLog(id, name) {
  open = id;
  byId('log-title').textContent = `Log of ${name}`;
  byId('log-lines').value = '';
  byId('log-of').showModal();
  await read();
}

/** @param {string} id @param {string} type */
export function tellLog(id, type) {
  if (byId('log-of').open && id === open && told.includes(type)) void read();
}

async function read() {
  const id = open;
  const response = await request(`/jobs/${id}/log`);
  const text = await response.text();
  if (id !== open) return;
  const lines = byId('log-lines');
  lines.value = response.ok ? text : 'It cannot be read at the moment.';
  lines.scrollTop = lines.scrollHeight;
}
