// The most bytes of each file of the package, and names that no file of it has.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

/** The first pattern that a path matches holds; a plug-in built for tests is not compressed as that of a release. */
const limits = [
  [/^prebuilds\/linux-x64\/orthokit\.glibc\.node$/, 12e6],
  [/^prebuilds\/linux-arm64\/orthokit\.glibc\.node$/, 6e6],
  [/^prebuilds\/linux-x64\/orthokit_cuda\.so$/, 30e6],
  [/^docs\/images\//, 120e3],
  [/^(dist|lib)\/core\/native-ops\//, 120e3],
  [/^dist\/chunks\/.*\.js$/, 400e3],
  [/^dist\/.*\.(js|d\.ts|d\.ts\.map)$/, 60e3],
  [/^lib\/.*\.ts$/, 40e3],
  [/^native\//, 60e3],
  [/^docs\/kernels\.md$/, 140e3],
  [/^docs\/.*\.md$/, 100e3],
  [/^CHANGELOG\.md$/, 90e3],
  [/^(README|SECURITY|THIRD_PARTY_NOTICES)\.md$/, 50e3],
  [/^(LICENSE|package\.json|CMakeLists\.txt)$|^scripts\//, 40e3],
];
/** Bytes of the tarball without the CUDA plug-in, and with it; the addons of both platforms are 7.3 MB of it. */
const tarball = { plain: 11e6, withPlugin: 40e6 };

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(2)} MB`;

/**
 * Files that are too large, or have no limit, a line each. `files` are those of `npm pack --json`; `isRelease`: its plug-in is.
 * One that was built for tests is taken off the tarball, as large as it is in there.
 */
export function tooLarge(files, packed, isRelease, root) {
  const problems = [];
  for (const { path, size } of files) {
    const most = limits.find(([pattern]) => pattern.test(path))?.[1];
    if (most === undefined) problems.push(`${path} has no limit in test/package/limits.mjs: is it for users?`);
    else if (size > most && (isRelease || !path.endsWith('.so')))
      problems.push(`${path} has ${megabytes(size)}, and ${megabytes(most)} is its limit`);
  }
  const plugin = files.find(({ path }) => path.endsWith('.so'));
  const most = plugin && isRelease ? tarball.withPlugin : tarball.plain;
  const beside = plugin && !isRelease ? gzipSync(readFileSync(join(root, plugin.path))).length : 0;
  if (packed - beside > most)
    problems.push(`the tarball has ${megabytes(packed - beside)}, and ${megabytes(most)} is its limit`);
  return problems;
}
