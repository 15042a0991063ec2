"""Exact search of the nearest rows by squared distance, for retrieval.mjs.

usage: retrieval_peer.py faiss|numpy folder rows columns queries k
Prints the milliseconds of a batch (median), of single queries (median, 99th percentile), and the ids of the batch.
"""
import json
import os
import sys
import time

import numpy as np

form, folder = sys.argv[1:3]
rows, columns, queries, k = map(int, sys.argv[3:7])
table = np.fromfile(os.path.join(folder, "rows"), dtype=np.float32).reshape(rows, columns)
asked = np.fromfile(os.path.join(folder, "queries"), dtype=np.float32).reshape(queries, columns)

if form == "faiss":
    import faiss

    faiss.omp_set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    index = faiss.IndexFlatL2(columns)
    index.add(table)

    def search(q):
        return index.search(q, k)[1]
else:
    squares = np.einsum("ij,ij->i", table, table)

    def search(q):
        score = q @ table.T
        score *= -2
        score += squares
        first = np.argpartition(score, k, axis=1)[:, :k]
        order = np.argsort(np.take_along_axis(score, first, axis=1), axis=1, kind="stable")
        return np.take_along_axis(first, order, axis=1)


def timed(rounds, call):
    times = []
    for i in range(rounds):
        begin = time.perf_counter()
        call(i)
        times.append(1000 * (time.perf_counter() - begin))
    return sorted(times)


ids = search(asked)
batch = timed(7 if form == "faiss" else 3, lambda _: search(asked))
single = timed(200 if form == "faiss" else 20, lambda i: search(asked[i % queries:i % queries + 1]))
print(json.dumps({
    "ms": batch[len(batch) // 2],
    "single": single[len(single) // 2],
    "p99": single[min(len(single) - 1, int(len(single) * 0.99))],
    "ids": ids.ravel().tolist(),
}))
