// Several processes for real, by each engine that is named: collectives, training, and ranks that go wrong.
// usage: node test/distributed/check.mjs openmpi mpich gloo nccl [check…]
// NCCL is the stand-in for it, on devices of the CUDA emulator.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const root = path.join(import.meta.dirname, '..', '..');
const main = path.join(root, 'dist', 'cli', 'main.js');
const program = (name) => path.join(import.meta.dirname, 'programs', `${name}.mjs`);

/** Runs the command with a limit, and says how it went; `heard` is called with what it says. */
async function orthokit(env, ...args) {
  return watched(env, args, () => {});
}
async function watched(env, args, heard, launcher) {
  const begun = performance.now();
  const [file, words] = launcher === undefined ? [process.execPath, [main, ...args]] : [launcher, args];
  const child = spawn(file, words, { env: { ...process.env, NO_COLOR: '1', ...env } });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
    heard(child, stdout);
  });
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
  const clock = setTimeout(() => child.kill('SIGTERM'), 100_000);
  const code = await new Promise((resolve) => {
    child.once('close', resolve);
    child.once('error', ({ message }) => {
      stderr += message;
      resolve(127);
    });
  });
  clearTimeout(clock);
  return { code, stdout, stderr, seconds: (performance.now() - begun) / 1000 };
}

async function good(env, ...args) {
  const result = await orthokit(env, 'run', ...args);
  assert.equal(result.code, 0, result.stderr);
  return result.stdout;
}

const near = (a, b) => {
  assert.equal(a.length, b.length);
  for (const [i, x] of a.entries())
    assert.ok(Math.abs(x - b[i]) <= 1e-12 * Math.max(1, Math.abs(x)), `${x} and ${b[i]}`);
};
const like = (run, one) => {
  near(run.losses, one.losses);
  assert.deepEqual(run.samples, one.samples);
  for (const [name, weights] of Object.entries(one.weights)) near(run.weights[name], weights);
};
const folders = [];
const folder = () => folders[folders.push(mkdtempSync(path.join(tmpdir(), 'orthokit-ranks-'))) - 1];
const trained = async (env, ...args) => JSON.parse(await good(env, ...args));

const emulated = path.join(root, 'build', 'emulated');
const emulator = {
  ORTHOKIT_CUDA_PLUGIN: path.join(emulated, 'orthokit_cuda.so'),
  ORTHOKIT_CUBLAS: 'none',
  ORTHOKIT_EMULATOR_DEVICES: '4',
};
/** Engines whose processes need no launcher of others. */
const isMeeting = (name) => name === 'gloo' || name === 'nccl';
const engineOf = (name) => (isMeeting(name) ? name : 'mpi');

const checks = {
  async collectives(env, name) {
    for (const n of ['2', '4'])
      for (const device of name === 'nccl' ? ['cuda', 'cpu'] : ['cpu'])
        assert.match(
          await good({ ...env, ORTHOKIT_TEST_DEVICE: device }, '-n', n, program('collectives')),
          /^collectives .* [24]\n$/,
        );
  },
  async 'collectives of a million elements'(env) {
    if (process.env.ORTHOKIT_DEEP !== '1') return;
    for (const n of ['2', '4'])
      assert.match(await good(env, '-n', n, program('collectives'), 'long'), /^collectives .* [24]\n$/);
  },
  async 'collectives of tensors on an emulated CUDA device'(env, name) {
    if (name !== engines[0]) return; // once is enough: the calls are the same
    const cuda = { ...env, ...emulator, ORTHOKIT_TEST_DEVICE: 'cuda' };
    assert.match(await good(cuda, '-n', '2', program('collectives')), /^collectives .* 2\n$/);
  },
  async 'bytes on the network'(env, name) {
    // MPICH has no word that keeps its messages off shared memory, and NCCL's stand-in no network.
    if (name === 'mpich' || name === 'nccl') return;
    // A network of its own counts nothing of others.
    const alone = ['-rn', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh', process.execPath, main];
    const { code: refused, stderr: reason } = await watched(env, ['-rn', 'true'], () => {}, 'unshare');
    if (refused !== 0) {
      console.log(`this system gives its users no networks of their own: bytes on it are not looked at: ${reason}`);
      return;
    }
    const tcp =
      name === 'gloo' ? {} : { OMPI_MCA_pml: 'ob1', OMPI_MCA_btl: 'self,tcp', OMPI_MCA_btl_tcp_if_include: 'lo' };
    for (const n of ['2', '4']) {
      const args = [...alone, 'run', '-n', n, program('volume')];
      const { code, stdout, stderr } = await watched({ ...env, ...tcp }, args, () => {}, 'unshare');
      assert.equal(code, 0, stderr);
      const lines = stdout.trim().split('\n').map((line) => JSON.parse(line)); // biome-ignore format: one line
      assert.equal(lines.length, 4);
      for (const { name: collective, counted, seen } of lines) {
        const ratio = seen / counted;
        assert.ok(ratio > 1 && ratio < 1.05, `${collective} of ${n}: ${seen} bytes were sent, ${counted} are counted`);
        console.log(`${collective} of ${n} ranks: ${ratio.toFixed(4)} of the bytes that are counted`);
      }
    }
  },
  async training(env, name) {
    // Its calls are the same by every engine, but those between devices: by all of them in the deep run.
    if (name !== engines[0] && name !== 'nccl' && process.env.ORTHOKIT_DEEP !== '1') return;
    // One process by itself, which no launcher has started, has no engine.
    const none = { ...env };
    for (const engine of ['MPI', 'GLOO', 'NCCL']) none[`ORTHOKIT_${engine}_PLUGIN`] = '/nowhere';
    const one = await trained(none, '-n', '1', program('training'));
    assert.equal(one.size, 1);
    for (const n of ['2', '4']) {
      const run = await trained(env, '-n', n, program('training'), 'accumulate=2');
      assert.equal(run.size, Number(n));
      like(run, one);
    }
    // Four, then two from the checkpoint of the four: the same samples.
    const own = folder();
    const four = await trained(env, '-n', '4', program('training'), `folder=${own}`, 'stop=8');
    const two = await trained(env, '-n', '2', program('training'), `folder=${own}`);
    like({ ...two, losses: [...four.losses, ...two.losses], samples: [...four.samples, ...two.samples] }, one);
  },
  async 'the example of digits'(env, name) {
    if (name !== engines[0]) return; // once is enough: the calls are the same
    const [own, script] = [folder(), path.join(root, 'examples', 'distributed', 'train.mjs')];
    await good(env, '-n', '2', script, '--epochs', '1', '--checkpoint', own);
    const text = await good(env, '-n', '4', script, '--epochs', '2', '--checkpoint', own);
    assert.match(text, /^resumed in epoch 1, after 8000 samples$/m);
    // A guess is right in 10 %.
    assert.ok(Number(/^([\d.]+) % of/m.exec(text)[1]) > 85, text);
    // Who is asked to stop saves, and the next run goes on there.
    const [place, long] = [folder(), ['run', '-n', '2', script, '--epochs', '20', '--checkpoint']];
    const { code, stdout } = await watched(env, [...long, place], (child, said) => {
      if (child.exitCode === null && said.includes(' digits, ') && !child.killed) child.kill('SIGTERM');
    });
    assert.equal(code, 0, stdout);
    const [, where, epoch] = /^stopped in (epoch (\d+), after \d+ samples), which are saved$/m.exec(stdout) ?? [];
    assert.ok(where, stdout);
    const resumed = await good(env, '-n', '2', script, '--epochs', epoch, '--checkpoint', place);
    assert.ok(resumed.includes(`resumed in ${where}\n`), resumed);
  },
  async 'a lost rank, and the run that goes on from its checkpoint'(env) {
    const whole = await trained(env, '-n', '2', program('training'));
    const own = folder();
    const args = ['run', '-n', '2', '--restarts', '1', program('training'), `folder=${own}`, 'die=6'];
    const { code, stdout, stderr } = await orthokit(env, ...args);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /it begins again, 1 of 1/);
    const run = JSON.parse(stdout.split('\n').find((line) => line.startsWith('{"size"')));
    assert.equal(run.losses.length, 8);
    assert.equal(run.hash, whole.hash);
    assert.deepEqual(run.losses, whole.losses.slice(4));
  },
  async 'a rank that throws'(env) {
    const { code, stdout, stderr } = await orthokit(env, 'run', '-n', '3', program('failures'), 'throw');
    const ended = Date.now();
    assert.notEqual(code, 0);
    const late = (ended - Number(/thrown at (\d+)/.exec(stdout)[1])) / 1000;
    assert.ok(late < 5, `all ended ${late} s after one threw`);
    // One waits for a call, the other does something else.
    assert.match(stderr, /rank 1 failed: RangeError: a bad batch\n +at .*failures\.mjs/);
    for (const rank of [0, 2])
      assert.match(stderr, new RegExp(`rank ${rank} ends: Group[.\\w]*: rank 1 failed: RangeError: a bad batch`));
    assert.match(stderr, /\[cause\]: RangeError: a bad batch\n(.*\n)*? +code: 'MY_CODE'/);
  },
  async 'a rank that leaves'(env) {
    const { code, stderr } = await orthokit(env, 'run', '-n', '3', program('failures'), 'exit');
    assert.notEqual(code, 0);
    for (const rank of [0, 2])
      assert.match(
        stderr,
        new RegExp(`rank ${rank} ends: Group\\.allReduce: rank 1 failed: Error: process\\.exit\\(3\\) before`),
      );
  },
  async 'a rank that is killed'(env, name) {
    if (name === 'mpich') {
      // Its launcher takes the others down at once. Some of its runs end with 0 and without a word, which ours tells then.
      const { code, stdout, stderr, seconds } = await orthokit(env, 'run', '-n', '3', program('failures'), 'kill');
      assert.notEqual(code, 0);
      assert.match(
        stdout + stderr,
        /Killed \(signal 9\)|^orthokit run: a process was killed or has failed, with code 1$/m,
      );
      assert.ok(seconds < 20, `${seconds} s`);
      const left = await orthokit(env, 'run', '-n', '3', '--no-cleanup', program('failures'), 'kill');
      assert.match(left.stderr, /has no way to do without a cleanup/);
      return;
    }
    for (const [how, last, waits] of [
      ['kill', "call 1 'first'", "call 1 'first', and it waits at call 2 'second'"],
      ['kill before', 'none', 'none'],
    ]) {
      const { code, stderr } = await orthokit(env, 'run', '-n', '3', '--no-cleanup', program('failures'), how);
      assert.notEqual(code, 0);
      for (const rank of [0, 2])
        assert.ok(
          new RegExp(
            `rank 1 \\(process \\d+\\) has ended; the last that it did: ${last}; the last that rank ${rank} did: ${waits}`,
          ).test(stderr),
          stderr,
        );
    }
  },
  async 'a rank that does not come'(env) {
    const { code, stderr } = await orthokit(env, 'run', '-n', '3', program('failures'), 'stop');
    assert.notEqual(code, 0);
    const text =
      /no answer within 5 s: to call 2 'second', all-reduce .*, did not come rank 1 \(process \d+\), whose last was call 1 'first'; the last of rank [02], which waits, was call 1 'first'/;
    // The first of them to say so tells the other, if that has not found it by itself.
    assert.match(stderr, text);
    for (const rank of [0, 2]) assert.match(stderr, new RegExp(`rank ${rank} (ends|failed): .*Group\\.allReduce: `));
  },
  async 'a rank that is behind'(env) {
    assert.equal(await good(env, '-n', '3', program('busy'), folder()), 'in time\n');
  },
  async 'a rank with other buckets'(env) {
    const { stdout } = await orthokit(env, 'run', '-n', '2', program('failures'), 'buckets');
    for (const rank of [0, 1])
      assert.match(
        stdout,
        new RegExp(`${rank} ERR_ARGUMENT connect: bucketBytes must be .*, got of rank 0 33554432, of rank 1 4096`),
      );
  },
  async 'a rank that never connects'(env) {
    const { stdout, seconds } = await orthokit(env, 'run', '-n', '2', program('failures'), 'absent');
    assert.match(stdout, /0 ERR_BACKEND connect: /);
    assert.match(stdout, /rank 0 ends by itself/);
    assert.ok(seconds < 30, `${seconds} s`);
  },
  async 'a rank that is stopped while all close'(env) {
    const { stdout, seconds } = await orthokit(env, 'run', '-n', '2', program('failures'), 'close');
    assert.match(
      stdout,
      /0 ERR_BACKEND Group\.close: (all ranks came, but .* has not ended after 5 s|.* (came, but do not answer|did not come) rank 1)/,
    );
    assert.ok(seconds < 30, `${seconds} s`);
  },
  async 'ranks that are done before another'(env) {
    await good(env, '-n', '3', program('failures'), 'idle');
  },
  async 'a rank whose error somebody else takes'(env) {
    const { code, stdout } = await orthokit(env, 'run', '-n', '2', program('failures'), 'listener');
    assert.notEqual(code, 0);
    assert.match(stdout, /0 Group\.allReduce: rank 1 failed: RangeError: a bad batch/);
  },
  async 'a signal, which ranks have time for'(env) {
    let sent = false;
    const { stdout } = await watched(env, ['run', '-n', '2', program('failures'), 'signal'], (child, text) => {
      if (sent || !text.includes('ready')) return;
      sent = true;
      child.kill('SIGTERM');
    });
    for (const rank of [0, 1]) assert.match(stdout, new RegExp(`rank ${rank} has saved`));
  },
  async 'a word of the launcher'(env, name) {
    if (isMeeting(name)) return; // it has none
    const { code, stderr } = await orthokit(env, 'run', '-n', '2', program('failures'), 'exit', ':', 'ls');
    assert.notEqual(code, 0);
    assert.match(stderr, /an argument ':' begins another program/);
  },
  async 'processes that were started by themselves'(env, name) {
    if (!isMeeting(name)) return; // others have launchers
    const own = name.toUpperCase();
    const [where, host] = [`ORTHOKIT_${own}_STORE`, `ORTHOKIT_${own}_HOST`];
    const begin = async (rank, variables) => {
      const ranks = { [host]: '127.0.0.1', ORTHOKIT_RANK: rank, ORTHOKIT_RANKS: '2', ORTHOKIT_LOCAL_RANK: rank };
      return (await watched({ ...env, ...ranks, ...variables }, [program('connect')], () => {}, process.execPath))
        .stdout;
    };
    const store = { [where]: folder() };
    assert.deepEqual(await Promise.all(['0', '1'].map((rank) => begin(rank, store))), [
      'rank 0 of 2\n',
      'rank 1 of 2\n',
    ]);
    for (const [rank, variables, says] of [
      ['2', store, /^ERR_BACKEND connect: ORTHOKIT_RANK must be below ORTHOKIT_RANKS, got 2 of 2$/m],
      ['one', store, /^ERR_BACKEND connect: ORTHOKIT_RANK must be a count, got one$/m],
      [
        '',
        store,
        new RegExp(`^ERR_BACKEND connect: ORTHOKIT_RANK is not set, which .*run --engine ${name}. does$`, 'm'),
      ],
      ['0', { [where]: '/nowhere' }, /^ERR_BACKEND connect: .*\/nowhere/m],
      [
        '0',
        { ...store, [host]: 'no.such.host' },
        new RegExp(`^ERR_BACKEND connect: ${host} must be an address of this machine, got no\\.such\\.host: `, 'm'),
      ],
    ])
      assert.match(await begin(rank, variables), says);
  },
  async 'ranks that do not meet, and a folder that was used before'(env, name) {
    if (name !== 'nccl') return;
    const own = folder();
    const begin = async (rank, ranks) => {
      const about = { ORTHOKIT_RANK: rank, ORTHOKIT_RANKS: ranks, ORTHOKIT_LOCAL_RANK: rank };
      const where = { ORTHOKIT_NCCL_HOST: '127.0.0.1', ORTHOKIT_NCCL_STORE: own };
      return (await watched({ ...env, ...where, ...about }, [program('connect')], () => {}, process.execPath)).stdout;
    };
    const late = (says) => `ERR_BACKEND connect: no answer within 5 s: ${says}\n`;
    assert.equal(await begin('1', '2'), late('rank 0 did not come to let the others meet'));
    // Each calls and is called at once, so that nobody is named who came.
    const some = await Promise.all(['0', '1', '3'].map((rank) => begin(rank, '5')));
    assert.deepEqual(some, Array(3).fill(late('ranks that did not come to meet the others: 2 4')));
    // Those who come first find the meeting and the addresses of the run before, and meet by them.
    const first = ['1', '2'].map((rank) => begin(rank, '3'));
    await pause(1000);
    assert.deepEqual(
      await Promise.all([begin('0', '3'), ...first]),
      ['0', '1', '2'].map((rank) => `rank ${rank} of 3\n`),
    );
  },
  async 'strangers who call, and a file that others can write'(env, name) {
    if (name !== 'nccl') return;
    const own = folder();
    const begin = (rank) => {
      const ranks = { ORTHOKIT_RANK: rank, ORTHOKIT_RANKS: '2', ORTHOKIT_LOCAL_RANK: rank };
      const where = { ORTHOKIT_NCCL_HOST: '127.0.0.1', ORTHOKIT_NCCL_STORE: own };
      return watched({ ...env, ...where, ...ranks }, [program('connect')], () => {}, process.execPath);
    };
    const first = begin('0');
    const [meeting, address] = ['meeting', 'rank-0'].map((file) => path.join(own, file));
    while (!existsSync(address)) await pause(10);
    for (const file of [meeting, address]) assert.equal(statSync(file).mode & 0o777, 0o600);
    const port = readFileSync(address, 'latin1').slice(256).replace(/\0.*/, '');
    const calls = [
      Buffer.alloc(0),
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.concat([Buffer.alloc(32, 1), Buffer.from([1, 0, 0, 0])]),
      Buffer.alloc(1 << 20),
    ];
    const call = (bytes) =>
      new Promise((resolve) =>
        connect(Number(port), '127.0.0.1')
          .on('error', () => {})
          .once('close', resolve)
          .end(bytes),
      );
    // Each is let go, at the latest when all the others are there.
    const strangers = calls.map(call);
    const second = await begin('1');
    assert.equal((await first).stdout, 'rank 0 of 2\n');
    assert.equal(second.stdout, 'rank 1 of 2\n');
    await Promise.all(strangers);
    chmodSync(meeting, 0o666);
    assert.match((await begin('1')).stdout, /meeting is not a file that this user alone can read and write/);
  },
  async 'a plug-in without its library'(_env, name) {
    if (name !== 'nccl') return;
    const [empty, old] = [folder(), folder()];
    mkdirSync(path.join(old, 'include'));
    const header = '#define NCCL_VERSION(x, y, z) (x * 10000 + y * 100 + z)\n#define NCCL_VERSION_CODE 21000\n';
    writeFileSync(path.join(old, 'include', 'nccl.h'), header);
    const cuda = path.join(emulated, 'cuda');
    const needs = 'build --nccl needs a C\\+\\+20 compiler, NCCL 2\\.14 or later';
    for (const [NCCL_HOME, CUDA_HOME, says] of [
      [old, cuda, `NCCL 2\\.14 or later is needed: calls of an older one wait(.*\\n)*.*${needs}`],
      ['/nowhere', cuda, 'NCCL_HOME must name a folder with include/nccl\\.h, got /nowhere$'],
      [empty, cuda, `NCCL_HOME must name a folder with include/nccl\\.h, got ${empty}$`],
      [old, '/nowhere', 'CUDA_HOME must name a folder with include/cuda_runtime\\.h, got /nowhere$'],
    ]) {
      const args = ['build', '--nccl', '--out', path.join(empty, 'none.so')];
      const { code, stderr } = await orthokit({ NCCL_HOME, CUDA_HOME }, ...args);
      assert.equal(code, 1);
      assert.match(stderr, new RegExp(says, 'm'));
    }
  },
  async 'a library without the name that a linker looks for'(env, name) {
    if (name !== 'nccl') return;
    const home = folder();
    mkdirSync(path.join(home, 'lib'));
    symlinkSync(path.join(emulated, 'nccl', 'include'), path.join(home, 'include'));
    symlinkSync(path.join(emulated, 'nccl', 'lib', 'libnccl.so.2'), path.join(home, 'lib', 'libnccl.so.2'));
    const plugin = path.join(home, 'plugin.so');
    const homes = { NCCL_HOME: home, CUDA_HOME: path.join(emulated, 'cuda') };
    const { code, stderr } = await orthokit(homes, 'build', '--nccl', '--out', plugin);
    assert.equal(code, 0, stderr);
    const own = { ...env, ORTHOKIT_NCCL_PLUGIN: plugin };
    assert.match(await good(own, '-n', '1', '--engine', 'nccl', program('connect')), /^rank 0 of 1$/m);
  },
  async 'an engine by name'(env, name) {
    // The plug-ins of other engines are files that cannot be opened: where nobody asks for them, they are not.
    const engine = engineOf(name);
    assert.match(await good(env, '-n', '2', '--engine', engine, program('connect')), /^rank [01] of 2$/m);
    assert.match(await good(env, '-n', '1', '--engine', engine, program('connect')), /^rank 0 of 1$/m);
    for (const one of ['mpi', 'gloo', 'nccl']) {
      if (one === engine) continue;
      const other = await orthokit(env, 'run', '-n', '2', '--engine', one, program('connect'));
      assert.notEqual(other.code, 0);
      assert.match(other.stderr, /there is no plug-in for (MPI|Gloo|NCCL) \(.* does not exist\)/);
    }
    if (engine === 'mpi') return;
    const args = ['run', '-n', '2', '--engine', engine, '--launcher', 'mpiexec', program('connect')];
    assert.match((await orthokit(env, ...args)).stderr, /--launcher goes with mpi/);
  },
  async 'two MPIs'(env, name) {
    if (isMeeting(name)) return;
    const other = { openmpi: 'mpich', mpich: 'openmpi' }[name];
    const { code, stderr } = await orthokit(
      env,
      'run',
      '-n',
      '2',
      '--launcher',
      `mpiexec.${other}`,
      program('failures'),
    );
    assert.equal(code, 1);
    assert.match(stderr, /no launcher of .*: looked for mpiexec/);
  },
  async 'tensors that stay on their devices'(env, name) {
    if (name !== 'nccl') return;
    const control = path.join(emulated, 'emulator_control.node');
    assert.equal(await good(env, '-n', '2', program('devices'), 'direct', control), 'direct\n');
  },
  async 'devices that ranks must not have'(env, name) {
    if (name !== 'nccl') return;
    const one = { ...env, ORTHOKIT_EMULATOR_DEVICES: '1' };
    const { code, stdout } = await orthokit(one, 'run', '-n', '2', program('connect'));
    assert.equal(code, 0);
    for (const pair of ['0 and rank 1', '1 and rank 0'])
      assert.match(stdout, new RegExp(`ERR_BACKEND connect: NCCL: .*Duplicate GPU detected : rank ${pair} both`));
    assert.equal(await good(env, '-n', '2', program('devices'), 'another'), 'another\n');
  },
  async 'a device that is closed while NCCL has its memory'(env, name) {
    if (name !== 'nccl') return;
    const disposed = /^closed after ([\d.]+) s and (\d+) turns: ERR_DISPOSED Group\.allReduce: .*closed/m;
    const late =
      /^closed after ([\d.]+) s and (\d+) turns: ERR_BACKEND Group\.allReduce: .*'second': the exchange .* has not ended/m;
    for (const [how, words, says] of [
      ['late', '', disposed],
      ['exits', '', /^$/],
      ['stops', '', late],
      ['stops', 'abort-hangs', late],
    ]) {
      const args = ['run', '-n', '2', program('closing'), how];
      const { stdout, stderr, seconds } = await orthokit({ ...env, ORTHOKIT_EMULATOR_NCCL: words }, ...args);
      assert.doesNotMatch(stderr, /somebody has written to a buffer/);
      assert.match(stdout, says, stderr);
      const [, waited, turns] = says.exec(stdout);
      // It waits for the others, and the event loop goes on meanwhile.
      if (how !== 'exits') assert.ok(Number(waited) > 0.5 && Number(turns) > 20, stdout);
      assert.ok(seconds < 20, `${how} ${words}: ${seconds} s`);
    }
  },
  async 'a rank that is lost inside NCCL'(env, name) {
    if (name !== 'nccl') return;
    const last = "call 2 'second'";
    const dead = (rank) =>
      `rank 1 \\(process \\d+\\) has ended; the last that it did: ${last}; the last that rank ${rank} did: ${last}`;
    const late = () => `${last}: the exchange of the engine, to which all ranks came, has not ended`;
    // Cards wait for it, or NCCL says that it is gone; and NCCL may not come back where it is told to wait no more.
    for (const [words, how, says] of [
      ['', 'dies', dead],
      ['lost-is-told', 'dies', dead],
      ['abort-hangs', 'dies', dead],
      ['', 'stops', late],
    ]) {
      // One that is stopped has to be ended, and so have those in which NCCL hangs.
      const leaves = how === 'dies' && words !== 'abort-hangs' ? ['--no-cleanup'] : [];
      const args = ['run', '-n', '3', ...leaves, program('devices'), how];
      const { code, stderr, seconds } = await orthokit({ ...env, ORTHOKIT_EMULATOR_NCCL: words }, ...args);
      assert.notEqual(code, 0);
      for (const rank of [0, 2])
        assert.match(stderr, new RegExp(`rank ${rank} (ends|failed): .*Group.allReduce: .*(${says(rank)})`));
      assert.ok(seconds < 20, `${how} ${words}: ${seconds} s`);
    }
  },
};

const asked = process.argv.slice(2);
const engines = asked.filter((word) => ['openmpi', 'mpich', 'gloo', 'nccl'].includes(word));
const only = asked.filter((word) => !engines.includes(word));
const failures = [];
for (const name of engines) {
  const engine = engineOf(name);
  const how = engine === 'mpi' ? ['--compiler', `mpicxx.${name}`] : [];
  const plugin = path.join(root, 'build', 'engines', name, `orthokit_${engine}.so`);
  const homes = { NCCL_HOME: path.join(emulated, 'nccl'), CUDA_HOME: path.join(emulated, 'cuda') };
  const built = await orthokit(name === 'nccl' ? homes : {}, 'build', `--${engine}`, ...how, '--out', plugin);
  assert.ok(built.code === 0 && existsSync(plugin), built.stderr);
  // Only one has a plug-in, so that nobody need say which engine is meant.
  const env = name === 'nccl' ? { ...emulator, ORTHOKIT_TEST_DEVICE: 'cuda' } : {};
  for (const one of ['mpi', 'gloo', 'nccl'])
    env[`ORTHOKIT_${one.toUpperCase()}_PLUGIN`] = one === engine ? plugin : '/nowhere';
  for (const [check, run] of Object.entries(checks)) {
    if (only.length > 0 && !only.includes(check)) continue;
    const begun = performance.now();
    try {
      await run(env, name);
      console.log(`${name}: ${check}: ${((performance.now() - begun) / 1000).toFixed(1)} s`);
    } catch (error) {
      failures.push([`${name}: ${check}: failed\n`, error]);
      console.error(...failures.at(-1));
    }
  }
}
for (const own of folders) rmSync(own, { recursive: true, force: true });
if (engines.length === 0) console.error('usage: node test/distributed/check.mjs openmpi mpich gloo nccl [check…]');
// Once more, for a reader who sees the last lines only.
for (const failure of failures) console.error(...failure);
process.exitCode = failures.length > 0 || engines.length === 0 ? 1 : 0;
