import type { Device, Tensor } from 'orthokit' with { 'resolution-mode': 'import' };

export type Pair = [Device, Tensor];
