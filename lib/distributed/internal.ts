// Facts about engines for the command line, which reads them without a binary of orthokit.

/** The reason why an engine is not there. */
export const missingEngines: Readonly<Record<'gloo' | 'nccl', string>> = {
  gloo: 'Gloo has no stable interface that a plug-in could be compiled against: use mpi',
  nccl: 'no plug-in for NCCL is there yet; tensors on CUDA travel by way of the host over mpi',
};
