// Safetensors files, right ones and changed ones: most changes keep the frame right, so that they get to the parser.
const dtypes = { BOOL: 1, U8: 1, I8: 1, F8_E4M3: 1, F8_E5M2: 1, F8_E8M0: 1, F4: 0.5, F6_E2M3: 0.75, U16: 2, I16: 2, F16: 2, BF16: 2, U32: 4, I32: 4, F32: 4, U64: 8, I64: 8, F64: 8, C64: 8 }; // biome-ignore format: one line
const numbers = ['0', '1', '2', '3', '4', '8', '16', '64', '255', '65536', '4294967296', '9007199254740991', '9007199254740992', '18446744073709551616', '-1', '-0', '00', '1e3', '1.0']; // biome-ignore format: one line
const tokens = [
  ...['{', '}', '[', ']', ':', ',', '"', '\\', ' ', '\n', '\0', '\u0001', '{}', '[]', '[0,0]', '[1]', 'null', 'true'],
  ...['"dtype":', '"shape":', '"data_offsets":', '"__metadata__":', '"__metadata__":{"a":"b"},', '"__proto__"', '"w"'],
  ...['"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},', '"dtype":"U8",', '"shape":[4],', '"data_offsets":[0,4],'],
  ...[
    '\\n',
    '\\"',
    '\\\\',
    '\\/',
    '\\b',
    '\\t',
    '\\u0041',
    '\\u00e9',
    '\\u2207',
    '\\ud835\\udefb',
    '\\ud800',
    '\\ud800\\ue000',
    '\\udbff\\udfff',
    '\\ud7ff',
    '\\ue000',
    '\\ud800\\udbff',
    '\\udc00',
    '\\u12',
    '\\x',
  ],
  ...['\u00e9', '\u2207', '\u{1d6fb}', '\ufeff'].map((text) => Buffer.from(text).toString('latin1')),
  ...['\xff', '\xc0\xaf', '\xed\xa0\x80', '\xe2\x88', '\xf4\x90\x80\x80'],
  ...Object.keys(dtypes).map((name) => `"${name}"`),
];
const names = [
  'w',
  'layer.0.weight',
  '',
  '__proto__',
  'constructor',
  '\\u0077',
  'caf\\u00e9',
  '\\ud835\\udefb',
  'a\\nb',
  '{\\"w\\":0}',
];
const lengths = [
  0n,
  1n,
  2n,
  7n,
  100_000_000n,
  100_000_001n,
  2n ** 32n,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 8n,
  2n ** 64n - 1n,
];

/** A header in Latin-1, so that one character is one byte, with its data behind it. */
function fresh(random) {
  const space = random.chance(0.2) ? () => random.of(['', ' ', '\n', '\t', '\r', '  ']) : () => '';
  const entries = [];
  let end = 0;
  for (let i = random.below(5); i > 0; i -= 1) {
    const dtype = random.of(Object.keys(dtypes));
    const rank = random.chance(0.1) ? random.below(8) : random.below(4);
    const shape = Array.from({ length: rank }, () => (rank > 4 ? 1 : random.below(5)));
    const bytes = shape.reduce((a, b) => a * b, 1) * dtypes[dtype];
    const fields = [
      `"dtype":${space()}"${dtype}"`,
      `"shape":[${shape.join(`${space()},`)}]`,
      `"data_offsets":[${end},${end + bytes}]`,
    ];
    fields.sort(() => random.next() - 0.5);
    entries.push(
      `${space()}"${random.of(names)}${random.chance(0.7) ? i : ''}":{${fields.join(`,${space()}`)}${space()}}`,
    );
    end += bytes;
  }
  if (random.chance(0.4)) {
    const texts = Array.from(
      { length: random.below(4) },
      () => `"${random.of(names)}"${space()}:"${random.of(names)}"`,
    );
    entries.push(`"__metadata__":{${texts.join(',')}}`);
  }
  entries.sort(() => random.next() - 0.5);
  return `{${entries.join(`${space()},`)}}${' '.repeat(random.below(9))}`;
}

const changes = [
  (random, text) => splice(random, text, 1, String.fromCharCode(random.below(256))),
  (random, text) => splice(random, text, 0, random.of(tokens)),
  (random, text) => splice(random, text, random.below(8), random.of(tokens)),
  (random, text) => splice(random, text, 1 + random.below(16), ''),
  (random, text) => {
    const from = random.below(text.length + 1);
    return splice(random, text, 0, text.slice(from, from + random.below(80)));
  },
  (random, text) => at(random, text, /\d+/g, () => random.of(numbers)),
  (random, text) => at(random, text, /\d+/g, (digits) => random.of(['0', '+', '-', ' ']) + digits),
  (random, text) => at(random, text, /\d+/g, (digits) => String(Number(digits) + random.below(5) - 2)),
  (random, text) => at(random, text, /"[A-Z][A-Z0-9_]*"/g, () => `"${random.of(Object.keys(dtypes))}"`),
  (random, text) =>
    at(random, text, /"[^"]*":\{[^{}]*\},?/g, (entry) => random.of(['', `${entry},${entry}`, `${entry}${entry}`])),
  (random, text) =>
    at(random, text, /"(dtype|shape|data_offsets)":("[^"]*"|\[[^\]]*\]),?/g, (field) =>
      random.of(['', `${field},${field}`]),
    ),
  (random, text) =>
    at(random, text, /"[^"]*"/g, (string) =>
      random.of(['"w"', `"${'n'.repeat(1025)}"`, string.slice(0, -1), `"${random.of(tokens)}"`]),
    ),
  (random, text, other) => {
    const from = random.below(other.length + 1);
    return splice(random, text, random.below(40), other.slice(from, from + random.below(120)));
  },
  (random, text) => splice(random, text, 0, ' '.repeat(random.of([1, 7, 4096, 5000]))),
];

function splice(random, text, remove, insert) {
  const place = random.below(text.length + 1);
  return text.slice(0, place) + insert + text.slice(place + remove);
}

/** Replaces one of the places where the pattern fits. */
function at(random, text, pattern, replace) {
  const found = [...text.matchAll(pattern)];
  if (found.length === 0) return text;
  const { 0: match, index } = random.of(found);
  return text.slice(0, index) + replace(match) + text.slice(index + match.length);
}

function headerOf(file) {
  if (file.length < 8) return '';
  return file.toString('latin1', 8, 8 + Number(file.readBigUInt64LE(0) & 0xffffn));
}

/** A changed file of the pool, or a fresh one. */
export function mutateFile(random, pool) {
  let text = pool.length === 0 || random.chance(0.4) ? fresh(random) : headerOf(random.of(pool));
  const other = pool.length === 0 ? '' : headerOf(random.of(pool));
  for (let i = random.of([0, 1, 1, 1, 2, 3, 6]); i > 0; i -= 1) text = random.of(changes)(random, text, other);
  text = text.slice(0, 20_000);

  // As many bytes as the last tensor asks for; or as all of them do, which is another number where there are holes.
  let [data, sum] = [0, 0];
  for (const [, begin, end] of text.matchAll(/\[\s*(\d+)\s*,\s*(\d+)\s*\]\s*[,}]/g)) {
    data = Math.max(data, Number(end));
    sum += Number(end) - Number(begin);
  }
  if (random.chance(0.2)) data = Math.max(0, sum);
  if (data > 1 << 16 || random.chance(0.05)) data = random.below(64);
  const file = Buffer.alloc(8 + text.length + data, 0x61);
  file.write(text, 8, 'latin1');
  const near = Math.max(0, text.length + (random.chance(0.02) ? random.below(5) - 2 : 0));
  file.writeBigUInt64LE(random.chance(0.02) ? random.of(lengths) : BigInt(near));
  return random.chance(0.02) ? file.subarray(0, random.below(file.length + 1)) : file;
}
