// JSON texts, changed: by value, so that they stay JSON, or by byte.
const tokens = [
  ...[
    '{',
    '}',
    '[',
    ']',
    ':',
    ',',
    '"',
    '\\',
    ' ',
    '\n',
    '\u0001',
    '{}',
    '[]',
    '[[',
    '""',
    '"a"',
    '"a":',
    'null',
    'true',
  ],
  ...[
    'false',
    'nul',
    '0',
    '-1',
    '1.5',
    '01',
    '1e5',
    '1e999',
    '9'.repeat(20),
    '1'.repeat(70),
    '-',
    '"\\u0061"',
    '"\\ud800"',
  ],
  ...['"\\n"', '"\\x"', '\xff', '\xc3', '\xe2\x96\x81', ' '.repeat(5000), '['.repeat(70), '{"a":'.repeat(70)],
];

/**
 * Changes one place of a JSON value, which it answers: takes a member away, gives it twice or under one of `keys`, puts
 * one of `values` or another part of the whole in its place.
 */
export function changeJson(random, root, values, keys) {
  const places = [];
  const walk = (holder) => {
    for (const key of Object.keys(holder)) {
      places.push([holder, key]);
      if (typeof holder[key] === 'object' && holder[key] !== null) walk(holder[key]);
    }
  };
  if (typeof root !== 'object' || root === null) return structuredClone(random.of(values));
  walk(root);
  if (places.length === 0) return structuredClone(random.of(values));
  const [holder, key] = random.of(places);
  const way = random.below(6);
  if (way === 0) Array.isArray(holder) ? holder.splice(Number(key), 1) : delete holder[key];
  else if (way === 1)
    Array.isArray(holder)
      ? holder.push(structuredClone(holder[key] ?? null))
      : Object.defineProperty(holder, random.of(keys), {
          value: holder[key],
          enumerable: true,
          configurable: true,
          writable: true,
        });
  else if (way === 2 && typeof holder[key] === 'number') holder[key] += random.of([1, -1, 0.25, 1e9]);
  else if (way === 3) {
    const [from, name] = random.of(places);
    holder[key] = structuredClone(from[name] ?? null);
  } else holder[key] = structuredClone(random.of(values));
  return root;
}

/** Changes a text in Latin-1, so that one character is one byte. */
export function changeText(random, text, other) {
  const place = random.below(text.length + 1);
  const way = random.below(5);
  const splice = (remove, insert) => text.slice(0, place) + insert + text.slice(place + remove);
  if (way === 0) return splice(1, String.fromCharCode(random.below(256)));
  if (way === 1) return splice(0, random.of(tokens));
  if (way === 2) return splice(random.below(8), random.of(tokens));
  if (way === 3) return splice(1 + random.below(16), '');
  const from = random.below(other.length + 1);
  return splice(random.below(20), other.slice(from, from + random.below(60)));
}

/** One or some changes of a text, by value where it is JSON. */
export function changed(random, text, other, values, keys) {
  let now = text;
  for (let i = random.of([1, 1, 2, 4]); i > 0; i -= 1) {
    if (random.chance(0.4)) {
      now = changeText(random, now, other);
      continue;
    }
    try {
      const root = JSON.parse(Buffer.from(now, 'latin1').toString());
      const indent = random.chance(0.2) ? 1 : 0;
      now = Buffer.from(JSON.stringify(changeJson(random, root, values, keys), null, indent)).toString('latin1');
    } catch {
      now = changeText(random, now, other);
    }
  }
  return now.slice(0, 20_000);
}
