// The examples of operations, as `orthokit_bench --verify --cases` takes them.
// usage: node scripts/cases.mjs <orthokit_bench> [--op <name>] [--matrices <most>]
//   --op        those of one operation, default: of all
//   --matrices  so many of a large batch of matrix products, where time is short
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { op: { type: 'string' }, matrices: { type: 'string' } },
});
const ops = JSON.parse(execFileSync(positionals[0], ['--describe'], { encoding: 'utf8' }));
const chosen = ops.filter(({ name }) => values.op === undefined || name === values.op);
if (chosen.length === 0) throw new Error(`there is no operation ${values.op}`);
const most = Number(values.matrices ?? Infinity);
const isProduct = (name) => ['gemm', 'symmetric_product'].includes(name);
const smaller = (example) =>
  example.replaceAll(/\[(\d+)x(\d+x\d+)\]/g, (_, batch, matrix) => `[${Math.min(Number(batch), most)}x${matrix}]`);
for (const { name, examples } of chosen)
  for (const example of examples) console.log(`${name} ${isProduct(name) ? smaller(example) : example}`);
