// What nvcc made of the kernels, for one architecture, interpreted on the emulator with every access checked.
import { step } from './step.mjs';

const emulated = { name: 'emulated device: build', run: step('build emulated') };
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

export const jobs = [
  emulated,
  { name: 'nvcc: PTX', run: step('build ptx -DORTHOKIT_PTX_ARCHS=90') },
  { name: 'PTX: cases', needs: ['nvcc: PTX'], run: step('ptx_cases') },
  ...interpretation(90),
];
