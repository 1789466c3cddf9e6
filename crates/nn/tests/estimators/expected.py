"""Writes what the tests expect: coefficients, as scikit-learn finds them at a tight tolerance, and metrics.

Needs numpy and scikit-learn (the committed files are from 1.9.1). Run it in the root of the repository.
"""

import numpy as np
import sklearn.metrics as m
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

HERE = "crates/nn/tests/estimators/"


def coefficients(name, x, y, C=1.0, class_weight=None, sample_weight=None):
    """Files with a line for each row of `coef_`, the intercept last: of lbfgs, and of Newton's method.

    scipy's L-BFGS also stops at a small relative change of the cost, before the small coefficients have settled.
    """
    options = dict(C=C, class_weight=class_weight)
    model = LogisticRegression(solver="lbfgs", tol=1e-12, max_iter=100_000, **options)
    model.fit(x, y, sample_weight=sample_weight)
    newton = LogisticRegression(solver="newton-cholesky", tol=1e-14, max_iter=1000, **options)
    newton.fit(x, y, sample_weight=sample_weight)
    gap = np.abs(model.coef_ - newton.coef_).max() / np.abs(newton.coef_).max()
    print(f"{name}: {model.n_iter_[0]} iterations, {gap:.1e} from newton-cholesky")
    for file, fitted in [(name, model), (name + "_optimum", newton)]:
        numbers = np.hstack([fitted.coef_, fitted.intercept_[:, None]])
        np.savetxt(HERE + file + ".csv", numbers, fmt="%.12g", delimiter=",")


tumours = np.loadtxt("data/breast_cancer.csv", delimiter=",", skiprows=1)
x, y = StandardScaler().fit_transform(tumours[:, :-1]), tumours[:, -1].astype(int)
coefficients("breast_cancer", x, y)
coefficients("breast_cancer_balanced", x, y, C=0.1, class_weight="balanced", sample_weight=1 + np.arange(len(y)) % 3)
digits = np.loadtxt("data/digits.csv.gz", delimiter=",")
coefficients("digits", digits[:, :-1] / 16, digits[:, -1].astype(int))

# As in `metrics.rs`.
i = np.arange(60)
y, predicted, weights = (i * i + i // 7) % 4 - 1, (i * i + i // 5) % 4 - 1, 0.5 + i % 3
raw = np.stack([1 + (i * 7 + k * 5) % 11 for k in range(4)], axis=1).astype(float)
probabilities = (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32)
scores = (i * 13 % 7).astype(np.float32)
values = np.stack([i % 9, (i * i) % 13 - 6], axis=1) / 4.0
answers = np.stack([(i + 1) % 9, (i * i) % 13 - 5], axis=1) / 4.0
with open(HERE + "metrics.csv", "w") as file:
    for kind, w in [("plain", None), ("weighted", weights)]:
        def put(name, value):
            file.write(f"{kind} {name},{value:.17g}\n")

        put("accuracy", m.accuracy_score(y, predicted, sample_weight=w))
        put("log_loss", m.log_loss(y, probabilities.astype(float), sample_weight=w))
        put("roc_auc", m.roc_auc_score(y == 1, scores, sample_weight=w))
        put("mse", m.mean_squared_error(values, answers, sample_weight=w))
        put("r2", m.r2_score(values, answers, sample_weight=w))
        for average in ["macro", "micro", "weighted"]:
            each = m.precision_recall_fscore_support(y, predicted, average=average, sample_weight=w, zero_division=0)
            for name, value in zip(["precision", "recall", "f1"], each):
                put(f"{average} {name}", value)
        for k, count in enumerate(m.confusion_matrix(y, predicted, sample_weight=w).ravel()):
            put(f"confusion {k}", count)
