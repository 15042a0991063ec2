import { type AuonOptions, applyScaled } from './auon.ts';
import { type OrthogonalOptions, orthogonalUpdate } from './muon.ts';
import type { Parameter, Statistics } from './step.ts';

/** The momentum through Newton–Schulz, then through the AuON scaling. */
export const hybridAuon = (
  p: Parameter,
  { momenta }: { momenta: Float64Array },
  options: OrthogonalOptions & AuonOptions,
): Statistics => applyScaled(p, orthogonalUpdate(p, momenta, options), options);
