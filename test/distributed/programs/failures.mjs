// One rank goes wrong in the way that is asked for; what the others say is the test's to judge.
import { setTimeout as pause } from 'node:timers/promises';
import { Device, Tensor } from 'orthokit';
import { connect } from 'orthokit/distributed';

const [how] = process.argv.slice(2);
const started = Number(process.env.OMPI_COMM_WORLD_RANK ?? process.env.PMI_RANK ?? process.env.ORTHOKIT_RANK);
if (how === 'listener')
  process.on('uncaughtException', (error) => {
    console.log(started, error.message);
    process.exit(1);
  });
if (how === 'absent') {
  process.on('exit', () => console.log(`rank ${started} ends by itself`));
  if (started === 1) {
    await pause(5000);
    process.exit();
  }
}
// Seconds, short where their end is what happens; of what starts beside much else, enough for that.
const options = { timeout: { absent: 1, stop: 5, close: 5, idle: 5 }[how] };
if (how === 'buckets' && started === 1) options.bucketBytes = 4096;
const group = await connect(options).catch((error) => {
  console.log(started, error.code, error.message);
  process.exitCode = 1;
});
if (group) {
  const device = Device.open('cpu', { threads: 1 });
  const x = Tensor.zeros(device, [1000]);
  const isBad = group.rank === 1;
  let asked = false;
  if (how === 'signal') process.once('SIGTERM', () => (asked = true));
  if (isBad && how === 'kill before') process.kill(process.pid, 'SIGKILL');
  await group.allReduce([x], { tag: 'first' });
  if (isBad && how === 'kill') process.kill(process.pid, 'SIGKILL');
  if (isBad && how === 'stop') process.kill(process.pid, 'SIGSTOP');
  if (isBad && how === 'throw') console.log(`thrown at ${Date.now()}`);
  if (isBad && (how === 'throw' || how === 'listener'))
    throw Object.assign(new RangeError('a bad batch'), { code: 'MY_CODE' });
  if (isBad && how === 'exit') process.exit(3);
  if (how === 'throw' && group.rank === 2) await pause(60_000);
  if (how === 'close') {
    // It is stopped where all have come, and the engine waits for it.
    if (isBad) setTimeout(() => process.kill(process.pid, 'SIGSTOP'), 300);
    else await pause(1000);
    await group.close().catch((error) => {
      console.log(group.rank, error.code, error.message);
      process.exitCode = 1;
    });
  } else if (how === 'idle') {
    if (isBad) await pause(6500);
  } else if (how === 'signal') {
    if (group.rank === 0) console.log('ready');
    for (let stops = false; !stops; ) {
      await pause(50);
      stops = (await group.numbers(asked ? 1 : 0, { tag: 'stop?' })).includes(1);
    }
    await pause(1500);
    console.log(`rank ${group.rank} has saved`);
  } else {
    await group.allReduce([x], { tag: 'second' });
  }
}
