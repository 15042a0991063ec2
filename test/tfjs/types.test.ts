// Devices: cpu
// The blocks of the guide to TensorFlow.js compile with its types: what makes an optimizer fits its own functions.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { expect, it } from 'vitest';
import { compilerOptions } from '../package/strict.mjs';
import { blocks, root } from '../support/guides.ts';

it('compiles where the compiler is strict, with the types of TensorFlow.js', () => {
  const folder = mkdtempSync(path.join(root, 'build', 'tfjs-types-'));
  try {
    const own = blocks('ts').filter(([, , code]) => code.includes("'@tensorflow/"));
    expect(own.length).toBeGreaterThan(0);
    const names = own.map(([, line, code]) => {
      const name = path.join(folder, `block-${line}.mts`);
      writeFileSync(name, `${code}export {};\n`);
      return name;
    });
    const wrong = path.join(folder, 'wrong.mts');
    writeFileSync(
      wrong,
      `import * as tf from '@tensorflow/tfjs-core';
import { AdamW, Muon } from 'orthokit';
import { tfjsOptimizer } from 'orthokit/tfjs';
// @ts-expect-error: no option of the class
tfjsOptimizer(tf, AdamW, { momentum: 1 });
// @ts-expect-error: another class
tfjsOptimizer(tf, [{ optimizer: Muon, params: '**', betas: [0.9, 0.99] }]);
const optimizer: tf.Optimizer = tfjsOptimizer(tf, [{ optimizer: Muon, params: ['**'], lr: 0.1 }]);
optimizer.minimize(() => tf.scalar(1), true)?.dispose();
`,
    );
    const options = { ...compilerOptions, lib: ['es2022', 'dom'], types: ['node'], skipLibCheck: true };
    const { options: parsed } = ts.convertCompilerOptionsFromJson(options, folder);
    const diagnostics = ts.getPreEmitDiagnostics(ts.createProgram([...names, wrong], parsed));
    expect(diagnostics.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
