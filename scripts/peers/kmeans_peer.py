"""k-means of each row by scikit-learn, for kmeans.mjs.

usage: kmeans_peer.py folder rows columns clusters
"""
import json
import os
import sys
import time

import numpy as np
import sklearn
from sklearn.cluster import KMeans

folder, rows, columns, clusters = sys.argv[1], *map(int, sys.argv[2:5])
x = np.fromfile(os.path.join(folder, "x"), np.float32).reshape(rows, columns, 1)
KMeans(clusters, n_init=1, random_state=0).fit(x[0])  # what comes once
times = []
for _ in range(3):
    begin = time.process_time()
    fits = [KMeans(clusters, n_init=1, random_state=0).fit(row) for row in x]
    times.append(1000 * (time.process_time() - begin))
squares = float(sum(fit.inertia_ for fit in fits))
print(json.dumps({"min_ms": min(times), "squares": squares, "version": sklearn.__version__}))
