// Devices: cpu, cuda
// Source: closed form "keeps what f32 sums and squares would lose" in test/support/reductions.ts
import { rowReduce as reference } from '../../reference/row-reduce.ts';
import { matrixShapes } from '../../support/matrices.ts';
import { describeReduction } from '../../support/reductions.ts';

describeReduction({ op: 'rowReduce', reference, shapes: [...matrixShapes, [3, 16385], [2, 40001]] });
