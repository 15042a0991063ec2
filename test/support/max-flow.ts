/** The most mass that rows can send to columns over the pairs that are allowed: by paths that augment it, the shortest first. */
export function maxFlow(a: Float64Array, b: Float64Array, isAllowed: (i: number, j: number) => boolean): number {
  const [n, m] = [a.length, b.length];
  const sent = new Float64Array(n * m);
  const [ofRows, ofColumns] = [Float64Array.from(a), Float64Array.from(b)];
  let flow = 0;
  for (;;) {
    // Breadth first, from rows with mass left: nodes 0 … n − 1 are rows, the rest columns.
    const from = new Int32Array(n + m).fill(-2);
    const queue = [...ofRows.keys()].filter((i) => ofRows[i]! > 0);
    for (const i of queue) from[i] = -1;
    let end = -1;
    for (const node of queue) {
      if (node >= n && ofColumns[node - n]! > 0) {
        end = node;
        break;
      }
      for (let k = 0; k < (node < n ? m : n); k++) {
        const [i, j] = node < n ? [node, k] : [k, node - n];
        const next = node < n ? n + k : k;
        const isOpen = node < n ? isAllowed(i, j) : sent[i * m + j]! > 0;
        if (from[next] === -2 && isOpen) {
          from[next] = node;
          queue.push(next);
        }
      }
    }
    if (end < 0) return flow;
    const path = [end];
    while (from[path[0]!]! >= 0) path.unshift(from[path[0]!]!);
    let most = Math.min(ofRows[path[0]!]!, ofColumns[end - n]!);
    for (let k = 1; k + 1 < path.length; k += 2) most = Math.min(most, sent[path[k + 1]! * m + path[k]! - n]!);
    for (let k = 0; k + 1 < path.length; k++) {
      const [x, y] = [path[k]!, path[k + 1]!];
      if (x < n) sent[x * m + y - n]! += most;
      else sent[y * m + x - n]! -= most;
    }
    ofRows[path[0]!]! -= most;
    ofColumns[end - n]! -= most;
    flow += most;
  }
}
