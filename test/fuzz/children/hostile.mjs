// Values that nobody should pass. Those that run code throw `Thrown`, or a TypeError where JavaScript itself does.

/** The error that the getters here throw. */
export class Thrown extends Error {}

const thrower = () => {
  throw new Thrown('from a getter');
};

function detached() {
  const array = new Float32Array(4);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

function revoked() {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

const numbers = [NaN, Infinity, -Infinity, -0, 0, 0.5, -1, 1, 2, 3, 5, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 53 + 2, 2 ** 63, 2 ** 64, 5e-324, 1e308, 1e-30]; // biome-ignore format: one line

const objects = [
  () => null,
  () => undefined,
  () => true,
  () => 10n,
  () => 2n ** 70n,
  () => Symbol('s'),
  () => '',
  () => '1',
  () => 'cpu',
  () => 'x'.repeat(100_000),
  () => 'a\0b',
  () => '\ud800',
  () => '𝛻'.repeat(40),
  () => ({}),
  () => [],
  () => [[]],
  () => [null],
  () => new Array(2 ** 32 - 1),
  () => new Array(1e6),
  () => Object.create(null),
  () => new Number(1),
  () => new String('none'),
  () => new Date(0),
  () => /x/,
  () => () => 1,
  () => class {},
  () => new Map(),
  () => new ArrayBuffer(8),
  () => new SharedArrayBuffer(8),
  () => new DataView(new ArrayBuffer(8)),
  () => new Float32Array(4),
  () => new Float32Array(new SharedArrayBuffer(16)),
  () => new BigInt64Array(4),
  () => detached(),
  () => revoked(),
  () => Promise.resolve(1),
  () => globalThis,
  () => ({ length: 3, 0: 1, 1: 1, 2: 1 }),
  () => ({ valueOf: thrower, toString: thrower, [Symbol.toPrimitive]: thrower }),
  () => new Proxy({}, { get: thrower, has: thrower, ownKeys: thrower, getPrototypeOf: thrower }),
  () => new Proxy([], { get: thrower, ownKeys: thrower }),
  () => new Proxy([1, 2], {}),
  () => Object.defineProperty([1, 2], 1, { get: thrower }),
];

export const hostileValue = (random) => (random.chance(0.4) ? random.of(numbers) : random.of(objects)());

const onto = (object, fields) => Object.defineProperties(object, Object.getOwnPropertyDescriptors(fields));
/** The length of an array is its own: it takes no other but a number of elements. */
const ontoArray = (fields) => {
  const { length: _, ...others } = Object.getOwnPropertyDescriptors(fields);
  return Object.defineProperties([], others);
};

/** Fields as another object would hold them. */
export const disguises = [
  (fields) => Object.freeze(onto({}, fields)),
  (fields) => onto(Object.create(null), fields),
  (fields) => Object.create(fields),
  (fields) => new Proxy(fields, {}),
  (fields) => onto({ [Symbol('s')]: 1 }, fields),
  (fields) => onto(() => 1, fields),
  ontoArray,
  (fields) => new Proxy(fields, { ownKeys: thrower }),
  (fields) => new Proxy(fields, { get: thrower }),
  (fields) => new Proxy(fields, { ownKeys: () => [...Reflect.ownKeys(fields), Symbol('s'), 'unknown'] }),
];
