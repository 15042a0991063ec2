// Facts about engines for the command line, which reads them without a binary of orthokit.

/** Engines that have a plug-in: names in texts, the file beside the addon, the variable that names another one. */
export const plugins = {
  mpi: { title: 'MPI', file: 'orthokit_mpi.so', variable: 'ORTHOKIT_MPI_PLUGIN' },
  gloo: { title: 'Gloo', file: 'orthokit_gloo.so', variable: 'ORTHOKIT_GLOO_PLUGIN' },
  nccl: { title: 'NCCL', file: 'orthokit_nccl.so', variable: 'ORTHOKIT_NCCL_PLUGIN' },
} as const;

export type PluginName = keyof typeof plugins;

/** Variables of processes that `orthokit run` starts by itself, and whoever starts processes without it. */
export const rankVariables = {
  rank: 'ORTHOKIT_RANK',
  ranks: 'ORTHOKIT_RANKS',
  /** The rank among those of this machine: over NCCL each has a device of its own. */
  localRank: 'ORTHOKIT_LOCAL_RANK',
} as const;

/** By engine: the folder in which processes meet, and the address at which the others reach one. */
export const meetingVariables = {
  gloo: { store: 'ORTHOKIT_GLOO_STORE', host: 'ORTHOKIT_GLOO_HOST' },
  nccl: { store: 'ORTHOKIT_NCCL_STORE', host: 'ORTHOKIT_NCCL_HOST' },
} as const;

/** Engines whose processes need no launcher of others. */
export type MeetingEngine = keyof typeof meetingVariables;
