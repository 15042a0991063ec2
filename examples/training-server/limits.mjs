// The most that one server takes. Nothing that a client sends decides about memory, time or files beyond these.

import { totalmem } from 'node:os';

const MB = 2 ** 20;

export const limits = {
  /** Bytes of a request's body, and how deep its lists and objects lie in each other. */
  bodyBytes: MB,
  bodyDepth: 8,
  /** Bytes of a request's head, and lines in it. */
  headBytes: 8192,
  headLines: 64,
  /** Milliseconds until a head, and a whole request, must have come. */
  headTime: 10_000,
  requestTime: 30_000,
  /** Milliseconds for a client to leave whose request was no HTTP. */
  leaveTime: 2000,
  requestsPerSocket: 1000,
  connections: 512,
  /** Jobs that train at the same time, that wait, and runs that are kept. */
  running: 2,
  queued: 64,
  runs: 1000,
  /** Clients that listen to events; bytes of events that may wait for one of them; milliseconds for it to take some. */
  clients: 64,
  waitingBytes: MB,
  drainTime: 15_000,
  /** Events that are kept in memory for clients that come back. */
  ring: 10_000,
  /** Bytes of a run's journal. */
  journalBytes: 256 * MB,
  /** Points of a curve that are sent at once; curves that are read, and files that are sent, at the same time. */
  points: 10_000,
  curves: 8,
  files: 32,
  /** Changes of a run that have been asked for, in all. */
  changes: 1000,
  /** Bytes of memory that a training job may need, its data left out. */
  jobBytes: Math.min(2048 * MB, totalmem() / 4),
  /** Bytes of a data file. */
  dataBytes: 256 * MB,
  /** Starts of a job from the same checkpoint, before it is given up. */
  attempts: 5,
  /** Milliseconds for jobs to save when the server ends. */
  goodbye: 25_000,
};

/** @typedef {typeof limits} Limits */
