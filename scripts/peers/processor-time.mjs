// Time that other processes on a busy machine do not count into. Linux only.
import { readdirSync, readFileSync } from 'node:fs';

/** Seconds of `run` by both clocks: `processor`, as below, and `wall`, others' work on the same machine included. */
export async function secondsOf(run) {
  const start = performance.now();
  const processor = await secondsOnProcessor(run);
  return { processor, wall: (performance.now() - start) / 1e3 };
}

/**
 * How long `run` takes where no other process is in the way: the time on a processor of the thread that was longest on one
 * (those of the device wait for each other), and of the main thread, which runs before and after them.
 */
export async function secondsOnProcessor(run) {
  const before = timesOnProcessor();
  await run();
  const spent = [...timesOnProcessor()].map(([thread, time]) => [thread, time - (before.get(thread) ?? 0)]);
  const main = spent.find(([thread]) => thread === String(process.pid))[1];
  return (main + Math.max(...spent.filter(([thread]) => thread !== String(process.pid)).map(([, time]) => time))) / 1e9;
}

function timesOnProcessor() {
  const folder = '/proc/self/task';
  return new Map(
    readdirSync(folder).map((thread) => [
      thread,
      Number(readFileSync(`${folder}/${thread}/schedstat`, 'utf8').split(' ')[0]),
    ]),
  );
}
