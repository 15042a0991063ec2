// Bytes that collectives move between processes by what the system counts, beside those that the group says. The network that
// it reads must be its own: prints a line of JSON for each collective.
import { readFile } from 'node:fs/promises';
import { Device, Tensor } from 'orthokit';
import { connect } from 'orthokit/distributed';

const group = await connect({ timeout: 60 });
const device = Device.open('cpu', { threads: 1 });
const moved = async () => Number(/^ *lo: *(\d+)/m.exec(await readFile('/proc/net/dev', 'utf8'))[1]);
const [rows, columns] = [group.size * 64, 2 ** 22 / (group.size * 64)];
for (const [name, call] of [
  ['all-reduce', (x) => group.allReduce([x])],
  ['all-gather', (x) => group.allGather([x])],
  ['reduce-scatter', (x) => group.reduceScatter([x])],
  ['broadcast', (x) => group.broadcast([x])],
]) {
  const x = Tensor.full(device, [rows, columns], group.rank);
  await call(x); // connections are made by the first
  const said = group.traffic.received;
  // Nobody begins before rank 0 has looked, nor looks before all have ended.
  await group.barrier();
  const before = await moved();
  await group.barrier();
  await call(x);
  await group.barrier();
  const seen = (await moved()) - before;
  await group.barrier();
  const counted = (await group.numbers(group.traffic.received - said)).reduce((a, b) => a + b, 0);
  if (group.rank === 0) console.log(JSON.stringify({ name, counted, seen }));
}
