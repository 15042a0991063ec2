import { rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import path from 'node:path';

/**
 * One server for a folder: it holds a socket in it, which a kill lets go by itself.
 *
 * @param {string} folder
 * @returns {Promise<() => Promise<void>>} lets go
 */
export async function lockFolder(folder) {
  const name = path.join(folder, 'server.sock');
  if (Buffer.byteLength(name) > 100) throw new Error(`the path of the folder must be shorter, got ${folder}`);
  if (await isHeld(name)) throw new Error(`another server uses the folder ${folder}`);
  await rm(name, { force: true });
  const server = createServer((socket) => socket.destroy());
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(name, () => resolve(undefined));
  });
  server.unref();
  return () => new Promise((resolve) => server.close(() => resolve(undefined)));
}

/** @param {string} name @returns {Promise<boolean>} */
function isHeld(name) {
  return new Promise((resolve) => {
    const socket = connect(name);
    const answer = (/** @type {boolean} */ held) => {
      socket.destroy();
      resolve(held);
    };
    socket.once('connect', () => answer(true));
    socket.once('error', () => answer(false));
  });
}
