// Facts about engines for the command line, which reads them without a binary of orthokit.

/** Engines that have a plug-in: names in texts, the file beside the addon, the variable that names another one. */
export const plugins = {
  mpi: { title: 'MPI', file: 'orthokit_mpi.so', variable: 'ORTHOKIT_MPI_PLUGIN' },
  gloo: { title: 'Gloo', file: 'orthokit_gloo.so', variable: 'ORTHOKIT_GLOO_PLUGIN' },
} as const;

export type PluginName = keyof typeof plugins;

/** The reason why an engine is not there. */
export const missingEngines: Readonly<Record<'nccl', string>> = {
  nccl: 'no plug-in for NCCL is there yet; tensors on CUDA travel by way of the host, over mpi or gloo',
};

/** Variables of processes over Gloo: `orthokit run` sets them, and whoever starts processes without it. */
export const glooVariables = {
  store: 'ORTHOKIT_GLOO_STORE',
  host: 'ORTHOKIT_GLOO_HOST',
  rank: 'ORTHOKIT_RANK',
  ranks: 'ORTHOKIT_RANKS',
} as const;
