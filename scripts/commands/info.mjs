import os from 'node:os';
import { library } from './library.mjs';
import { version } from './version.mjs';

export const info = {
  summary: 'what this machine offers; with --require, exit 1 when that device cannot be had',
  options: {
    json: { type: 'boolean', help: 'one JSON value' },
    require: { type: 'string', value: 'cpu|cuda', choices: ['cpu', 'cuda'], help: 'a device that must be there' },
  },
  run,
};

async function run(values) {
  const found = {
    orthokit: version,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    system: `${os.type()} ${os.release()}`,
    devices: [],
    unavailable: {},
  };
  try {
    const { Device } = await library();
    for (const kind of ['cpu', 'cuda']) {
      const reason = Device.unavailable(kind);
      if (reason === undefined) found.devices.push(await describe(Device, kind));
      else found.unavailable[kind] = reason;
    }
  } catch (error) {
    found.error = { code: error.code, message: error.message };
  }
  console.log(values.json ? JSON.stringify(found) : asText(found));
  const missing = values.require !== undefined && !found.devices.some(({ kind }) => kind === values.require);
  return found.error || missing ? 1 : 0;
}

async function describe(Device, kind) {
  const device = Device.open(kind);
  try {
    return { kind, ...device.info };
  } finally {
    await device.close();
  }
}

function asText({ orthokit, node, platform, system, devices, unavailable, error }) {
  const lines = [`orthokit ${orthokit}`, `Node.js ${node} on ${platform}, ${system}`];
  for (const device of devices) {
    lines.push(`${device.kind}: ${device.name}`);
    for (const [name, value] of rowsOf(device)) lines.push(`  ${name.padEnd(18)}${value}`);
  }
  for (const [kind, reason] of Object.entries(unavailable)) lines.push(`${kind}: not available, ${reason}`);
  if (error) lines.push(`error: ${error.message}${error.code ? ` (${error.code})` : ''}`);
  return lines.join('\n');
}

function rowsOf({ kind, index, isa, blas, driver, units, memoryBytes }) {
  return kind === 'cpu'
    ? [
        ['instruction set', isa],
        ['matrix products', blas],
        ['threads', units],
        ['memory', bytesInWords(memoryBytes)],
      ]
    : [
        ['opened by', `cuda:${index}`],
        ['architecture', isa],
        ['matrix products', blas],
        ['driver', driver],
        ['multiprocessors', units],
        ['memory', bytesInWords(memoryBytes)],
      ];
}

function bytesInWords(bytes) {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}
