// Bytes that collectives move between processes by what the system counts, beside those that the group says. The network that
// it reads must be its own: prints a line of JSON for each collective.
import { readFile } from 'node:fs/promises';
import { Device, Tensor } from 'orthokit';
import { connect } from 'orthokit/distributed';

const group = await connect({ timeout: 60 });
const device = Device.open('cpu', { threads: 1 });
const moved = async () => Number(/^ *lo: *(\d+)/m.exec(await readFile('/proc/net/dev', 'utf8'))[1]);
/** Segments that TCP has sent more than once, as it does where a busy machine is late with an answer. */
async function sentAgain() {
  const [names, values] = (await readFile('/proc/net/snmp', 'utf8')).match(/^Tcp:.*$/gm).map((line) => line.split(' '));
  return Number(values[names.indexOf('RetransSegs')]);
}
/** Turns, at most, until none has been: the one with the fewest counts. */
const turns = 10;
const [rows, columns] = [group.size * 64, 2 ** 22 / (group.size * 64)];
for (const [name, call] of [
  ['all-reduce', (x) => group.allReduce([x])],
  ['all-gather', (x) => group.allGather([x])],
  ['reduce-scatter', (x) => group.reduceScatter([x])],
  ['broadcast', (x) => group.broadcast([x])],
]) {
  const x = Tensor.full(device, [rows, columns], group.rank);
  await call(x); // connections are made by the first
  let best = { again: Infinity };
  for (let turn = 0; turn < turns && best.again > 0; turn++) {
    const said = group.traffic.received;
    // Nobody begins before rank 0 has looked, nor looks before all have ended.
    await group.barrier();
    const [before, twice] = [await moved(), await sentAgain()];
    await group.barrier();
    await call(x);
    await group.barrier();
    const [seen, own] = [(await moved()) - before, (await sentAgain()) - twice];
    await group.barrier();
    const counted = (await group.numbers(group.traffic.received - said)).reduce((a, b) => a + b, 0);
    // All go by what rank 0 has seen.
    const again = (await group.numbers(own))[0];
    if (again < best.again) best = { counted, seen, again };
  }
  if (group.rank === 0) console.log(JSON.stringify({ name, ...best }));
}
