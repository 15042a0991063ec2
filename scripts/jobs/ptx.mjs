// The kernels as nvcc compiled them for one architecture, interpreted on the emulator with every access checked.
import { step } from './step.mjs';

const emulated = { name: 'emulated device: build', run: step('build_emulated emulated') };
export const ptxCases = ['examples', 'own', 'double', 'cublas', 'turing'];

/** @param {number} architecture such as 90 */
export const interpretation = (architecture) => [
  {
    name: `PTX for sm_${architecture}: the emulator's own tests`,
    needs: ['nvcc: PTX', emulated.name],
    run: step(`interpret_tests ${architecture}`),
  },
  ...ptxCases.map((cases) => ({
    name: `PTX for sm_${architecture}: ${cases}`,
    needs: ['PTX: cases', emulated.name],
    run: step(`interpret ${architecture} ${cases}`),
  })),
];

const cases = { name: 'PTX: cases', needs: ['nvcc: PTX'], run: step('ptx_cases') };
const compiled = step('build ptx -DORTHOKIT_PTX_ARCHS=90');

export const jobs = [emulated, { name: 'nvcc: PTX', run: compiled }, cases, ...interpretation(90)];

/** The same of the PTX from which the plug-in of a release was made. @param {string} release the job that builds it */
export const jobsOf = (release) => [
  { name: 'nvcc: PTX', needs: [release], run: `${compiled} -DORTHOKIT_PTX_KEPT=build/cuda-release` },
  cases,
  ...interpretation(90),
];
