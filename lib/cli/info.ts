import os from 'node:os';
import type { DeviceInfo } from '../core/native.ts';
import { type Command, command } from './command.ts';
import { version } from './version.ts';

interface Found {
  readonly orthokit: string;
  readonly node: string;
  readonly platform: string;
  readonly system: string;
  readonly devices: DeviceInfo[];
  /** Reasons, by the kind of device. */
  readonly unavailable: Record<string, string>;
  /** The error of an addon that does not load. */
  error?: { code: string | undefined; message: string };
}

export const info: Command = command({
  summary: 'what this machine offers; with --require, exit 1 when that device cannot be had',
  options: {
    json: { type: 'boolean', help: 'one JSON value' },
    require: { type: 'string', value: 'cpu|cuda', choices: ['cpu', 'cuda'], help: 'a device that must be there' },
  },
  async run({ json = false, require }) {
    const found = await look();
    console.log(json ? JSON.stringify(found) : asText(found));
    const missing = require !== undefined && !found.devices.some(({ kind }) => kind === require);
    return found.error || missing ? 1 : 0;
  },
});

async function look(): Promise<Found> {
  const found: Found = {
    orthokit: version,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    system: `${os.type()} ${os.release()}`,
    devices: [],
    unavailable: {},
  };
  try {
    const { Device } = await import('../core/device.ts');
    for (const kind of ['cpu', 'cuda'] as const) {
      const reason = Device.unavailable(kind);
      if (reason === undefined) {
        await using device = Device.open(kind);
        found.devices.push(device.info);
      } else found.unavailable[kind] = reason;
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    found.error = { code, message };
  }
  return found;
}

function asText({ orthokit, node, platform, system, devices, unavailable, error }: Found): string {
  const lines = [`orthokit ${orthokit}`, `Node.js ${node} on ${platform}, ${system}`];
  for (const device of devices) {
    lines.push(`${device.kind}: ${device.name}`);
    for (const [name, value] of rowsOf(device)) lines.push(`  ${name.padEnd(18)}${value}`);
  }
  for (const [kind, reason] of Object.entries(unavailable)) lines.push(`${kind}: not available, ${reason}`);
  if (error) lines.push(`error: ${error.message}${error.code ? ` (${error.code})` : ''}`);
  return lines.join('\n');
}

function rowsOf({ kind, index, isa, blas, driver, units, memoryBytes }: DeviceInfo): [name: string, value: unknown][] {
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

function bytesInWords(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}
