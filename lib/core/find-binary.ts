// The rules by which node-gyp-build finds a binary, for a bundle, which is without it.
// Source: https://github.com/prebuild/node-gyp-build, version 4.8
import { existsSync, readdirSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** A system, in the words of file names. */
export interface System {
  readonly platform: string;
  readonly arch: string;
  readonly libc: string;
  /** Version of the instructions of ARM; empty elsewhere. */
  readonly armv: string;
  /** Major version of libuv. */
  readonly uv: string;
  /** Version of the binary interface of Node.js. */
  readonly abi: string;
  readonly runtime: string;
}

/** This one, as the environment corrects it. */
export function thisSystem(): System {
  const { env, versions } = process;
  const [platform, arch] = [env['npm_config_platform'] || os.platform(), env['npm_config_arch'] || os.arch()];
  const isMusl = platform === 'linux' && existsSync('/etc/alpine-release');
  const { arm_version: ownArm = '' } = process.config.variables as { arm_version?: string };
  return {
    platform,
    arch,
    libc: env['LIBC'] || (isMusl ? 'musl' : 'glibc'),
    armv: env['ARM_VERSION'] || (arch === 'arm64' ? '8' : ownArm),
    uv: versions.uv!.split('.')[0]!,
    abi: versions.modules!,
    runtime: versions['electron'] || env['ELECTRON_RUN_AS_NODE'] ? 'electron' : 'node',
  };
}

const ownName = /^orthokit\.(?:.*\.)?node$/;

/**
 * The binary of this package for a system: one that was compiled in `build`, else the one of `prebuilds` whose tags fit
 * and are most, else such a one beside the program itself. Binaries of other packages are passed over.
 */
export function findBinary(root: string, system: System): string | undefined {
  const compiled = process.env['PREBUILDS_ONLY'] ? [] : ['build/Release', 'build/Debug'];
  for (const folder of compiled.map((name) => path.join(root, name))) {
    const [own] = namesIn(folder).filter((name) => ownName.test(name));
    if (own) return path.join(folder, own);
  }
  return prebuiltIn(root, system) ?? prebuiltIn(path.dirname(process.execPath), system);
}

function prebuiltIn(root: string, system: System): string | undefined {
  const prebuilds = path.join(root, 'prebuilds');
  const [tuple] = namesIn(prebuilds)
    .map(readTuple)
    .filter(({ platform, archs }) => platform === system.platform && archs.includes(system.arch))
    .sort((a, b) => a.archs.length - b.archs.length);
  if (!tuple) return undefined;
  const folder = path.join(prebuilds, tuple.name);
  const [best] = namesIn(folder)
    .filter((name) => ownName.test(name))
    .map(readTags)
    .filter((tags) => fits(tags, system))
    .sort((a, b) => rank(b, system) - rank(a, system) || b.count - a.count);
  return best && path.join(folder, best.name);
}

/** Names of the binaries below `prebuilds` of a folder, of whatever system, for a message. */
export function binariesIn(root: string): string[] {
  const prebuilds = path.join(root, 'prebuilds');
  return namesIn(prebuilds).flatMap((folder) =>
    namesIn(path.join(prebuilds, folder)).flatMap((name) => (ownName.test(name) ? [`${folder}/${name}`] : [])),
  );
}

/** Names in a fixed order; none where there is no folder. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

/** `linux-x64`, or `darwin-x64+arm64` for a binary of both. */
function readTuple(name: string): { name: string; platform: string; archs: readonly string[] } {
  const parts = name.split('-');
  const archs = parts.length === 2 ? parts[1]!.split('+') : [];
  return { name, platform: parts[0]!, archs: archs.every(Boolean) ? archs : [] };
}

/** The words between the dots of a name. */
interface Tags extends Partial<Pick<System, 'libc' | 'armv' | 'uv' | 'abi' | 'runtime'>> {
  readonly name: string;
  /** Built with Node-API, which all versions of Node.js have. */
  napi?: boolean;
  count: number;
}

function readTags(name: string): Tags {
  const tags: Tags = { name, count: 0 };
  for (const tag of name.split('.').slice(0, -1)) {
    const [, kind, version] = /^(abi|uv|armv)(.*)$/.exec(tag) ?? [];
    if (kind) Object.assign(tags, { [kind]: version });
    else if (['node', 'electron', 'node-webkit'].includes(tag)) Object.assign(tags, { runtime: tag });
    else if (['glibc', 'musl'].includes(tag)) Object.assign(tags, { libc: tag });
    else if (tag === 'napi') tags.napi = true;
    else continue;
    tags.count += 1;
  }
  return tags;
}

function fits(tags: Tags, system: System): boolean {
  const runtime = tags.runtime === 'node' && tags.napi ? undefined : tags.runtime;
  const abi = tags.napi ? undefined : tags.abi;
  const demands = { runtime, abi, uv: tags.uv, armv: tags.armv, libc: tags.libc };
  return Object.entries(demands).every(([key, value]) => !value || value === system[key as keyof System]);
}

/** This runtime's own come first, then those of one binary interface. */
const rank = ({ runtime, abi }: Tags, system: System): number => (runtime === system.runtime ? 2 : 0) + (abi ? 1 : 0);
