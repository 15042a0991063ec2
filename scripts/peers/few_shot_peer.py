"""Few-shot tasks by SLK-Means in NumPy, as its authors' program does them, for few-shot.mjs.

usage: few_shot_peer.py folder tasks supports queries classes dimensions
"""
import json
import os
import sys
import time

import numpy as np
from scipy import sparse
from sklearn.neighbors import NearestNeighbors

folder = sys.argv[1]
tasks, supports, queries, classes, d = (int(x) for x in sys.argv[2:])
knn, lam = 3, 0.7


def read(name, dtype, *shape):
    return np.fromfile(os.path.join(folder, name), dtype).reshape(shape)


def affinity(x):
    near = NearestNeighbors(n_neighbors=knn).fit(x).kneighbors(x, return_distance=False)
    rows = np.repeat(np.arange(len(x)), knn - 1)
    return sparse.csc_matrix((np.ones(len(rows)), (rows, near[:, 1:].ravel())), shape=(len(x), len(x)))


def normalize(y):
    y = np.exp(y - y.max(1, keepdims=True))
    return y / y.sum(1, keepdims=True)


def energy(s, unary, kernel):
    return float((s * np.log(np.maximum(s, 1e-20)) + unary * s - lam * kernel.dot(s) * s).sum())


def inner(unary, kernel, support):
    s = normalize(-unary)
    s[:supports] = np.eye(classes)[support]
    before = np.inf
    for step in range(600):
        s = normalize(-unary + lam * kernel.dot(s))
        now = energy(s, unary, kernel)
        if step > 1 and abs(now - before) <= 1e-7 * abs(before):
            break
        before = now
    return s, now


def cluster(support, labels, query):
    support = support / np.linalg.norm(support, axis=1, keepdims=True)
    query = query / np.linalg.norm(query, axis=1, keepdims=True)
    query = query + support.mean(0) - query.mean(0)
    x = np.concatenate([support, query])
    kernel = affinity(x)
    centers = np.stack([support[labels == k].mean(0) for k in range(classes)])
    before, found = np.inf, None
    for _ in range(100):
        unary = ((x[:, None] - centers[None]) ** 2).sum(2)
        s, now = inner(unary, kernel, labels)
        new = s.argmax(1)
        if len(np.unique(new)) < classes:
            break
        found = new
        centers = np.stack([x[found == k].mean(0) for k in range(classes)])
        if abs(now - before) <= 1e-4 * abs(before):
            break
        before = now
    return found[supports:]


support = read("support", np.float32, tasks, supports, d).astype(np.float64)
query = read("query", np.float32, tasks, queries, d).astype(np.float64)
labels = read("labels", np.int32, tasks, supports)
own = read("own", np.int32, tasks, queries)
begin = time.process_time()
found = np.stack([cluster(support[t], labels[t], query[t]) for t in range(tasks)])
spent = 1000 * (time.process_time() - begin)
print(json.dumps({"min_ms": spent, "same": float((found == own).mean()), "version": np.__version__}))
