"""Few-shot tasks by SLK-Means in NumPy, SciPy and scikit-learn, one task after another, with the operations of its
authors' program (src/SLK.py and src/bound_update.py of imtiazziko/SLK-few-shot), for few-shot.mjs.

usage: few_shot_peer.py folder tasks supports queries classes dimensions serial|pools [first]

`pools`: means in a pool of processes that each outer iteration opens, as published; `serial`: in this one. With
`first`, so many tasks alone, and the time for all in proportion.
"""
import json
import multiprocessing
import os
import resource
import sys

import numpy as np
from scipy import sparse
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import NearestNeighbors

folder, form = sys.argv[1], sys.argv[7]
tasks, supports, queries, classes, d = (int(x) for x in sys.argv[2:7])
first = int(sys.argv[8]) if len(sys.argv) > 8 else tasks
knn, lam = 3, 0.7
shared = None


def read(name, dtype, *shape):
    return np.fromfile(os.path.join(folder, name), dtype).reshape(shape)


def affinity(x):
    near = NearestNeighbors(n_neighbors=knn).fit(x).kneighbors(x)[1]
    rows = np.repeat(range(len(x)), knn - 1)
    ones = np.ones(len(rows))
    return sparse.csc_matrix((ones, (rows, near[:, 1:].flatten())), shape=(len(x), len(x)), dtype=float)


def width(x, kernel):
    squares = euclidean_distances(x, squared=True)
    return np.sqrt(kernel.multiply(squares).sum() / (5 * len(x)))


def normalize(y):
    y = np.exp(y - np.max(y, axis=1)[:, np.newaxis])
    return y / np.sum(y, axis=1)[:, None]


def bound_energy(s, unary, kernel):
    rest = unary * s + -lam * kernel.dot(s) * s
    return (s * np.log(np.maximum(s, 1e-20)) + rest).sum()


def inner(unary, kernel, s):
    before = float("inf")
    for step in range(600):
        s = normalize(-unary + lam * kernel.dot(s))
        now = bound_energy(s, unary, kernel)
        if step > 1 and abs(now - before) <= 1e-7 * abs(before):
            break
        before = now
    return np.argmax(s, axis=1), s


def outer_energy(x, centers, s, kernel):
    squares = euclidean_distances(x, centers, squared=True)
    ties = sum(np.dot(s[:, k], kernel.dot(s[:, k])) for k in range(classes))
    return (s * squares).sum() - lam * ties


def mean(rows):
    return shared[rows, :].mean(axis=0)


def means(members):
    if form == "serial":
        return np.vstack([mean(rows) for rows in members])
    with multiprocessing.Pool(processes=classes) as pool:
        return np.vstack(pool.map(mean, members))


def cluster(support, labels, query):
    global shared
    support = support / np.linalg.norm(support, 2, 1)[:, None]
    query = query / np.linalg.norm(query, 2, 1)[:, None]
    query = query + (support.mean(0) - query.mean(0))[np.newaxis, :]
    shared = x = np.concatenate((support, query), axis=0)
    kernel = affinity(x)
    width(x, kernel)
    centers = np.stack([support[labels == k].mean(0) for k in range(classes)])
    found = euclidean_distances(x, centers).argmin(axis=1)
    found[:supports] = labels
    for step in range(100):
        old = found.copy()
        centers = means([np.where(found == k)[0] for k in range(classes)])
        unary = euclidean_distances(x, centers, squared=True)
        s = normalize(-unary)
        s[:supports] = 0
        s[np.arange(supports), labels] = 1
        found, s = inner(unary, kernel, s)
        if len(np.unique(found)) != classes:
            found = old
            break
        now = outer_energy(x, centers, s, kernel)
        if step > 1 and abs(now - before) <= 1e-4 * abs(before):
            break
        before = now
    return found[supports:]


def processors():
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return 1000 * sum(one.ru_utime + one.ru_stime for one in spent)


support = read("support", np.float32, tasks, supports, d)
query = read("query", np.float32, tasks, queries, d)
labels = read("labels", np.int32, tasks, supports)
own = read("own", np.int32, tasks, queries)[:first]
begin = processors()
found = np.stack([cluster(support[t], labels[t], query[t]) for t in range(first)])
spent = (processors() - begin) * tasks / first
print(json.dumps({"min_ms": spent, "same": float((found == own).mean()), "version": np.__version__}))
