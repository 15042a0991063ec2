// One node in a process of its own, on a Unix socket in a folder that all share. `train.mjs` starts it.
import { mkdirSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import path from 'node:path';
import { Device } from 'orthokit';
import { bytesOf, Frames } from './frames.mjs';
import { Journal } from './journal.mjs';
import { Participant } from './participant.mjs';
import { digitsOf, dim, gradientOf } from './problem.mjs';

/** @import { Socket } from 'node:net' */

/** @typedef {{ id: number, nodes: number, each: number, folder: string, neighbours: number[], unit: number, rate: number, method: { dim: number, mu: number, lipschitz: number, chi1Star: number } }} Settings `unit`: milliseconds of a unit of time */

/** @type {Settings} */
const { id, nodes, each, folder, neighbours, unit, rate, method } = JSON.parse(process.argv[2]);
const device = Device.open('cpu', { threads: 1 });
/** @type {Map<number, Socket>} */
const sockets = new Map();
const socketOf = (/** @type {number} */ peer) => path.join(folder, `${peer}.sock`);
mkdirSync(folder, { recursive: true });

const participant = new Participant(device, {
  id,
  neighbours,
  method,
  rate,
  gradient: gradientOf(device, digitsOf(nodes, each).parts[id]),
  journal: new Journal(path.join(folder, `node-${id}`), dim),
  send: (peer, frame) => void sockets.get(peer)?.write(bytesOf(frame)),
  now: () => performance.now() / unit,
  later(units, call) {
    const timer = setTimeout(call, unit * units);
    return () => clearTimeout(timer);
  },
  random: Math.random,
  patience: 100 / unit,
});

/** @param {Socket} socket @param {number} [known] the node at the other end, where this one has called it */
function serve(socket, known) {
  const frames = new Frames(dim);
  socket.setNoDelay?.(true);
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    try {
      for (const frame of frames.push(/** @type {Buffer} */ (chunk))) {
        sockets.set(frame.peer, socket);
        participant.receive(frame).catch(end);
      }
    } catch {
      // No frame: nothing that follows can be trusted, and what was open is as if it had been lost.
      participant.counts.refused += 1;
      socket.destroy();
    }
  });
  socket.on('close', () => {
    if (known !== undefined) setTimeout(() => call(known), 50);
  });
}

/** @param {number} peer */
function call(peer) {
  const socket = connect(socketOf(peer));
  sockets.set(peer, socket);
  serve(socket, peer);
}

/** @param {unknown} error */
function end(error) {
  console.error(error);
  process.exit(1);
}

await participant.start();
rmSync(socketOf(id), { force: true });
createServer((socket) => serve(socket)).listen(socketOf(id));
for (const peer of neighbours) if (peer > id) call(peer);

process.on('message', async (what) => {
  if (what === 'end') await participant.end();
  const { counts, time, unconfirmed, isEngaged } = participant;
  const x = await participant.node.x.read();
  const state = path.join(folder, `end-${id}.safetensors`);
  if (what === 'end') await participant.node.save(state);
  process.send?.({ id, counts, time, isOpen: unconfirmed > 0 || isEngaged, x, state });
});
process.on('disconnect', () => process.exit());
process.send?.('ready');
