"""The accuracy of scikit-learn's classifiers after the runs of the example `accuracy` of `nn`, in the same table.

Needs numpy and scikit-learn. Run it in the root of the repository; Fashion-MNIST takes part where `--data DIR` says where
its four files are, compressed with gzip.
"""

import argparse
import gzip
import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

warnings.filterwarnings("ignore", category=ConvergenceWarning)


@dataclass
class Way:
    """A way to train."""

    name: str
    seeds: int
    options: dict


def way(name, batch, solver, learning_rate, epochs, hidden=[64]):
    # No penalty, and no stop before all epochs are done.
    options = dict(hidden_layer_sizes=hidden, batch_size=batch, solver=solver, learning_rate_init=learning_rate)
    options |= dict(max_iter=epochs, alpha=0, momentum=0, tol=0, n_iter_no_change=epochs + 1)
    return Way(name, 5, options)


ALL = 10**9
DEFAULT = Way("default", 10, {})
WAYS = {
    "digits": [
        way("one", 1, "sgd", 0.005, 30),
        way("mini", 32, "sgd", 0.1, 60),
        way("full", ALL, "adam", 0.01, 200),
        DEFAULT,
    ],
    "breast_cancer": [
        way("one", 1, "sgd", 0.002, 30, hidden=[]),
        way("mini", 32, "sgd", 0.05, 30, hidden=[]),
        way("full", ALL, "adam", 0.01, 200, hidden=[]),
        DEFAULT,
    ],
    "fashion_mnist": [
        way("one", 1, "sgd", 0.002, 4),
        way("mini", 64, "sgd", 0.05, 10),
        way("full", ALL, "adam", 0.005, 100),
    ],
}


def judge(args, data, folds):
    """Prints a line for each way to train: the accuracy in percent, its mean over seeds and each."""
    for way in WAYS[data]:
        if args.only and way.name not in args.only:
            continue
        scores = []
        for seed in range(way.seeds):
            right, rows = 0, 0
            for x, y, x_test, y_test in folds:
                options = dict(way.options)
                if "batch_size" in options:
                    options["batch_size"] = min(options["batch_size"], len(y))
                classifier = MLPClassifier(random_state=seed, **options).fit(x, y)
                right += classifier.score(x_test, y_test) * len(y_test)
                rows += len(y_test)
            scores.append(100 * right / rows)
        each = " ".join(f"{score:.2f}" for score in scores)
        print(f"{data} {way.name}: {np.mean(scores):.2f} of {each}", flush=True)


def idx(path, header):
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data")
    parser.add_argument("--only", action="append", default=[])
    args = parser.parse_args()

    digits = np.loadtxt("data/digits.csv.gz", delimiter=",")
    tumours = np.loadtxt("data/breast_cancer.csv", delimiter=",", skiprows=1)
    for name, x, y in [
        ("digits", digits[:, :-1] / 16, digits[:, -1]),
        ("breast_cancer", StandardScaler().fit_transform(tumours[:, :-1]), tumours[:, -1]),
    ]:
        tests = [np.arange(len(y)) % 5 == held_out for held_out in range(5)]
        judge(args, name, [(x[~test], y[~test], x[test], y[test]) for test in tests])
    if args.data:
        parts = []
        for part in ["train", "t10k"]:
            parts.append(idx(f"{args.data}/{part}-images-idx3-ubyte.gz", 16).reshape(-1, 784) / np.float32(255))
            parts.append(idx(f"{args.data}/{part}-labels-idx1-ubyte.gz", 8))
        judge(args, "fashion_mnist", [parts])


if __name__ == "__main__":
    main()
