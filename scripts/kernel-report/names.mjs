// Names of kernels as people read them.
import { execFileSync } from 'node:child_process';

/** `gemm_kernel<float, 64>` of a symbol: without namespaces, arguments and result. */
export function readableNames(symbols) {
  const plain = execFileSync('c++filt', { input: symbols.join('\n'), encoding: 'utf8', maxBuffer: 1 << 28 })
    .trim()
    .split('\n');
  return plain.map((name) =>
    name
      .replaceAll(/\(anonymous namespace\)::|orthokit::(cuda::)?/g, '')
      .replace(/^void /, '')
      .replace(/\(.*$/, '')
      .replaceAll('> >', '>>'),
  );
}

const plain = /^(-?\d+\w*|true|false|float|double|long|int|unsigned.*|signed.*|\(\w+\)\d+|__half|__nv_bfloat16)$/;

/** The common name of kernels that differ in a number, a flag or an element type. */
export function familyOf(name) {
  let shorter = name.replaceAll(/\((\w+)\)(\d+)/g, '$2');
  for (let before = ''; before !== shorter; ) {
    before = shorter;
    shorter = shorter.replaceAll(/<([^<>]*)>/g, (_, list) => {
      const kept = list.split(', ').filter((word) => !plain.test(word));
      return kept.length > 0 ? `‹${kept.join(', ')}›` : '';
    });
  }
  return shorter.replaceAll('‹', '<').replaceAll('›', '>');
}
