// The time that the machine takes from a process that does next to nothing: sleeps of a millisecond and half a millisecond of work
// in turn, and a line for each turn that took longer than the best: its end on the monotonic clock, which all processes
// share, and what was lost.
import { writeSync } from 'node:fs';

const clock = () => Number(process.hrtime.bigint()) / 1e6;
const cell = new Int32Array(new SharedArrayBuffer(4));
const work = (rounds) => {
  let sum = 0;
  for (let i = 0; i < rounds; i++) sum += Math.sqrt(i);
  return sum;
};

// Half a millisecond, where nothing disturbs: the best of many.
const rounds = 200_000;
let best = Number.POSITIVE_INFINITY;
for (let i = 0; i < 200; i++) {
  const start = clock();
  work(rounds);
  best = Math.min(best, clock() - start);
}
const share = Math.ceil((rounds * 0.5) / best);

let shortest = Number.POSITIVE_INFINITY;
let end = clock();
for (let turn = 0; ; turn++) {
  Atomics.wait(cell, 0, 0, 1);
  work(share);
  const now = clock();
  const took = now - end;
  shortest = Math.min(shortest, took);
  // The first turns find out what one takes; each tenth says that all before it has been said.
  const lost = took - shortest;
  if (turn > 100 && (lost > 0.2 || turn % 10 === 0)) writeSync(1, `${now} ${lost}\n`);
  end = now;
}
