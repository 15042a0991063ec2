// The instruction sets that run here, weakest first, a line each; what is known of every one goes to standard error.
// Exit 1 where one that this processor has was not built, or does not compute: a set that crashes is no set that is missing.
// usage: node scripts/instruction-sets.mjs [--library <file>] [--cpuinfo <file>]
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { instructionSets, processorHas } from './processor.mjs';

const { values } = parseArgs({ options: { library: { type: 'string' }, cpuinfo: { type: 'string' } } });
const library = path.resolve(values.library ?? path.join(import.meta.dirname, '..', 'dist', 'index.js'));

// A product of matrices, by whose value the kernels are known to have run.
const program = `
const { Device, ops, Tensor } = await import(process.argv[1]);
const reason = Device.unavailable('cpu');
if (reason !== undefined) {
  console.log(JSON.stringify({ reason }));
} else {
  const device = Device.open('cpu');
  const matrix = (value) => Tensor.full(device, [67, 67], value);
  const [a, b, c] = [matrix(2), matrix(3), matrix(0)];
  ops.gemm(device, { a, b, c });
  const right = (await c.read()).every((value) => value === 67 * 6);
  console.log(JSON.stringify({ isa: device.info.isa, right }));
  await device.close();
}`;

/** The end of a process with the set: `ran`, or what it says instead. */
function outcome(set) {
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', program, library],
    {
      encoding: 'utf8',
      env: { ...process.env, ORTHOKIT_CPU: set, ORTHOKIT_DISABLE_CUDA: '1' },
    },
  );
  if (status !== 0) return { says: `ended with ${signal ?? `code ${status}`} ${stderr.trim().split('\n')[0]}`.trim() };
  const { reason, isa, right } = JSON.parse(stdout);
  if (reason !== undefined) return { says: reason };
  return isa === set && right ? { ran: true, says: 'ran' } : { says: right ? `ran ${isa}` : 'computed wrongly' };
}

for (const set of instructionSets) {
  const has = processorHas(set, values.cpuinfo);
  const { ran = false, says } = outcome(set);
  if (ran) console.log(set);
  const wrong = has !== undefined && has !== ran;
  const words = { true: 'this processor has it', false: 'this processor lacks it', undefined: 'processor unknown' };
  console.error(`${set}: ${words[String(has)]}; ${says}${wrong ? ': FAILED' : ''}`);
  if (wrong) process.exitCode = 1;
}
