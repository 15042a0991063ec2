// Devices: cpu, cuda
// Source: closed form "keeps what f32 sums and squares would lose" in test/support/reductions.ts
import { columnReduce as reference } from '../../reference/column-reduce.ts';
import { matrixShapes } from '../../support/matrices.ts';
import { describeReduction } from '../../support/reductions.ts';

describeReduction({ op: 'columnReduce', reference, shapes: [...matrixShapes, [5, 16385]] });
