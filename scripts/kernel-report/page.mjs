// docs/kernels.md: a line for each kernel with the figures of its worst form.
import { enoughBytes } from './counters.mjs';
import { common, exceptions } from './limits.mjs';
import { familyOf } from './names.mjs';
import { withoutBarrier } from './ptx.mjs';
import { rates } from './roofline.mjs';

/** Forms of a kernel by what they share, in alphabetical order. */
export function families(forms) {
  const all = new Map();
  for (const form of forms) {
    const family = familyOf(form.name);
    all.set(family, [...(all.get(family) ?? []), form]);
  }
  return [...all].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, own]) => ({ name, forms: own }));
}

const table = (heads, lines) =>
  [
    `| ${heads.join(' | ')} |`,
    `| --- |${' ---: |'.repeat(heads.length - 1)}`,
    ...lines.map((cells) => `| ${cells.join(' | ')} |`),
  ].join('\n');

const percent = (share) => `${Math.round(100 * share)} %`;

function machineTable(list, architectures) {
  const heads = ['kernel', 'forms', ...architectures.map((a) => `sm_${a}`), 'shared', 'stack', 'spills', 'occupancy'];
  const lines = list.map(({ name, forms }) => {
    const figures = forms.flatMap((form) => [...form.machine.values()]);
    const most = (field) => Math.max(...figures.map((own) => own[field]));
    const regs = architectures.map((architecture) =>
      Math.max(...forms.map((form) => form.machine.get(architecture)?.regs ?? 0)),
    );
    const lowest = Math.min(...forms.map((form) => form.occupancy));
    return [`\`${name}\``, forms.length, ...regs, most('shared'), most('stack'), most('spill'), percent(lowest)];
  });
  return table(heads, lines);
}

/** The form whose largest launch moves most. */
export const largestForm = (forms) => forms.reduce((a, b) => (b.counted.least > a.counted.least ? b : a));

function countedTable(list) {
  const heads = [
    'kernel',
    'MB',
    'asked ÷ least',
    'sectors',
    'bank passes',
    'divergence',
    'predicted µs',
    'bound',
    'roofline',
  ];
  const lines = list.map(({ name, forms }) => {
    const { counted, predicted } = largestForm(forms);
    const worst = (field, choose) =>
      choose(...forms.filter((form) => form.counted.least >= enoughBytes).map((form) => form.counted[field]));
    const known = forms.some((form) => form.counted.least >= enoughBytes);
    const ratios = known
      ? [
          worst('bytes', Math.max).toFixed(2),
          percent(worst('sectors', Math.min)),
          worst('conflicts', Math.max).toFixed(2),
          percent(worst('divergence', Math.max)),
        ]
      : ['', '', '', ''];
    return [
      `\`${name}\``,
      (counted.least / 1e6).toFixed(2),
      ...ratios,
      (predicted.seconds * 1e6).toFixed(2),
      predicted.bound,
      percent(predicted.share),
    ];
  });
  return table(heads, lines);
}

function exceptionLines() {
  return exceptions
    .map(
      ({ key, why, changed }) =>
        `| \`${key}\` | ${Object.entries(changed)
          .map(([field, limit]) => `${field} ${limit}`)
          .join(', ')} | ${why} |`,
    )
    .join('\n');
}

/** Number of forms that pass the limit of each figure. */
function openLines(open) {
  const figures = new Map();
  for (const key of open) {
    const figure = key.slice(key.lastIndexOf(': ') + 2);
    figures.set(figure, (figures.get(figure) ?? 0) + 1);
  }
  if (figures.size === 0) return 'none.';
  return `${[...figures]
    .sort()
    .map(([figure, count]) => `${figure} of ${count} forms`)
    .join(', ')}.`;
}

const waitingLines = (waiting) =>
  waiting
    .toSorted()
    .map((name) => `| \`${name}\` | \`${withoutBarrier(name)}\` |`)
    .join('\n');

const machineCode = '## In the machine code';
/** The architectures whose registers a page has. */
export const architecturesOf = (page) =>
  [...(page.split(`${machineCode}\n`)[1] ?? '').matchAll(/ sm_(\d+) \|/g)].map(([, number]) => Number(number));
export const withoutMachineCode = (page) => page.split(`${machineCode}\n`)[0];

export function markdown(forms, architectures, compiler, shown, waiting, open) {
  const list = families(forms);
  const rateOf = (part, unit, scale) => `${(rates[part][1] / scale).toFixed(part === 'memory' ? 2 : 0)} ${unit}`;
  return `# Kernels on CUDA

What the compiler and the interpreter say of every kernel of the plug-in: ${forms.length} forms of ${list.length} kernels. One line stands for
all forms of a kernel (element types, tile sizes, block sizes). **No time here was measured: they are predicted**, from
counts and published rates. \`node scripts/kernel-report.mjs build/cuda-release build/ptx --write\` makes this page; CI
makes the figures anew and holds every form to the limits in \`scripts/kernel-limits.json\`.

![Share of the roofline, predicted for an H100](images/kernels.svg)

## Against the roofline

nvcc's PTX of each kernel runs in the emulator's interpreter (for sm_${shown} with each change, for sm_80 and sm_90 in the deep
run), which checks each access and counts what a launch asks for. The launch is the largest of the cases in
\`test/cuda-emulator/ptx/cases.mjs\` and of the operations' examples; ratios are the worst of all forms whose launch moves
64 KB or more.

- **MB**: the different sectors of 32 bytes that are read, and those that are written: less cannot be moved.
- **asked ÷ least**: sectors that the warps' requests touch, by that number. What is above 1 is served by caches at best.
  Of attention and convolutions, by the bytes that their tiles are made to ask for (\`scripts/kernel-report/models.mjs\`).
- **sectors**: bytes that are used of the sectors that requests touch.
- **bank passes**: passes through shared memory by those that accesses without bank conflicts take.
- **divergence**: instructions of warps whose lanes are not together.
- **predicted**: the longest of memory (${rateOf('memory', 'TB/s', 1e12)}), f32 (${rateOf('f32', 'TFLOP/s', 1e12)}), f64 (${rateOf('f64', 'TFLOP/s', 1e12)}), matrix instructions (${rateOf('matrix', 'TFLOP/s', 1e12)}), special
  functions, issue of instructions and shared memory, on an H100 SXM5 that does nothing else. It is a floor: latency,
  launches and caches are not in it, and instructions are counted in PTX, not in machine code.
- **roofline**: the time of memory or arithmetic, by the predicted time.

${countedTable(list)}

Limits for all: asked ÷ least ${common.bytes}, sectors ${percent(common.sectors)}, bank passes ${common.conflicts}, divergence ${percent(common.divergence)}, no local memory beyond the stack. Exceptions:

| kernel | limit | why |
| --- | --- | --- |
${exceptionLines()}

A kernel with a grid barrier cannot be interpreted: the emulator names it (\`… is not interpreted: it needs all blocks at
once\`) and runs the host's code of it. Each has a form that does the same in one block, with the same bits, and is
interpreted; a device that cannot hold all blocks at once runs that one:

| with a grid barrier | without |
| --- | --- |
${waitingLines(waiting)}

**Beyond their limits**, neither mended nor explained yet: ${openLines(open)} They are listed in
\`scripts/kernel-open.json\`; what is not on that list fails the report.

${machineCode}

Registers a thread, by architecture, and in bytes: static shared memory of a block, stack of a thread, spills. The
figures are those of ptxas ${compiler} and the largest of the forms. CI compiles for sm_90, the deep run for all.
Shared memory that is asked for at launch is not among them.
**Occupancy** is the share of an sm_${shown}'s warps that can be there at once, of the form with the least.

${machineTable(list, architectures)}
`;
}
