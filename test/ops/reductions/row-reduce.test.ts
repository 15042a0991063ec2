// Devices: cpu, cuda
import { rowReduce as reference } from '../../reference/row-reduce.ts';
import { matrixShapes } from '../../support/matrices.ts';
import { describeReduction } from '../../support/reductions.ts';

describeReduction({ op: 'rowReduce', reference, shapes: [...matrixShapes, [3, 16385], [2, 40001]] });
