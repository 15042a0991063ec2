import os from 'node:os';
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
    const { Device } = await import('../../dist/index.js');
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

function asText({ devices, unavailable, error, ...facts }) {
  const lines = Object.entries(facts).map(([name, value]) => `${name}: ${value}`);
  const plain = (value) => (typeof value === 'object' ? JSON.stringify(value) : value);
  for (const { kind, ...details } of devices) {
    lines.push(`${kind}:`, ...Object.entries(details).map(([name, value]) => `  ${name}: ${plain(value)}`));
  }
  for (const [kind, reason] of Object.entries(unavailable)) lines.push(`${kind}: unavailable, ${reason}`);
  if (error) lines.push(`error: ${error.code ?? 'unknown'}, ${error.message}`);
  return lines.join('\n');
}
