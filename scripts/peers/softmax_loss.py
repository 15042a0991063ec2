"""The loss that peers in SciPy minimize: softmax regression with a penalty of the squares of its weights."""
import numpy as np
from scipy.special import log_softmax, softmax


class Softmax:
    """Mean cross-entropy of rows of the folder's files under their labels, plus penalty / 2 |w|²; w is flat, classes × width."""

    def __init__(self, folder, problem, penalty):
        self.classes, self.width, self.penalty = problem["classes"], problem["width"], penalty
        self.x = np.fromfile(folder / problem["rows"], "<f8").reshape(problem["count"], self.width)
        self.labels = np.fromfile(folder / problem["labels"], "<i4")
        self.hot = np.eye(self.classes)[self.labels]

    @property
    def start(self):
        return np.zeros(self.classes * self.width)

    def logits(self, w):
        return self.x @ w.reshape(self.classes, self.width).T

    def chances(self, w):
        return softmax(self.logits(w), axis=1)

    def own(self, table):
        """The element of each row's label."""
        return table[np.arange(len(self.x)), self.labels]

    def back(self, rows):
        """The mean over rows of what is given for each logit, by the weights."""
        return (rows.T @ self.x / len(self.x)).ravel()

    def value(self, w):
        return -np.mean(self.own(log_softmax(self.logits(w), axis=1))) + self.penalty / 2 * np.sum(w * w)

    def gradient(self, w):
        return self.back(self.chances(w) - self.hot) + self.penalty * w
