"""Trains nets with a framework of Python, on data in memory, by plain gradient descent.

    train.py FRAMEWORK [THREADS]     measures a list of nets and prints a line of JSON for each
    train.py FRAMEWORK THREADS       with lines on stdin: as the package `benches` asks, see its training/apart.rs

FRAMEWORK is torch, torch.compile, jax or scikit-learn. A run is some epochs from the first parameters; putting these in place
is not part of its time, nor is compilation. With one thread the process keeps to one core.
"""

import json
import os
import statistics
import sys
import time
import warnings
from pathlib import Path

FRAMEWORK = sys.argv[1] if len(sys.argv) > 1 else ""
THREADS = int(sys.argv[2]) if len(sys.argv) > 2 else 1

# Before the frameworks are imported: they size their pools by these.
if THREADS == 1:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = str(THREADS)
os.environ["JAX_PLATFORMS"] = "cpu"

# The list that the package `benches` has, for a run by hand: widths, batch, examples, epochs.
NETS = [
    ([784, 128, 10], 64, 2048, 4),
    ([784, 512, 512, 10], 256, 2048, 1),
    ([16, 64, 64, 4], 32, 4096, 4),
    ([784, 128, 10], 1, 1024, 4),
    ([6, 64, 8, 4], 1, 4096, 4),
    ([784, 1], 1, 4096, 4),
]


class Net:
    """x [examples][inputs], labels [examples], first: the weight [inputs][outputs] and the bias of each layer."""

    def __init__(self, widths, epochs, batch, rate, x, labels, params):
        self.epochs, self.batch, self.rate, self.labels = epochs, batch, rate, labels
        self.inputs, self.outputs = widths[0], widths[-1]
        self.x = x.reshape(-1, self.inputs)
        self.first = []
        for inputs, outputs in zip(widths, widths[1:]):
            weight, bias, params = np.split(params, [inputs * outputs, inputs * outputs + outputs])
            self.first.append((weight.reshape(inputs, outputs), bias))

    def batches(self):
        for at in range(0, len(self.x), self.batch):
            yield self.x[at : at + self.batch], self.labels[at : at + self.batch]


def read(directory):
    pass_name, epochs, batch, rate, *widths = Path(directory, "net").read_text().split()
    if pass_name != "train":
        raise ValueError("only training is measured")
    files = [np.fromfile(Path(directory, name), kind) for name, kind in (("x", "<f4"), ("labels", "<u4"), ("first", "<f4"))]
    return Net([int(width) for width in widths], int(epochs), int(batch), float(rate), *files)


def draw(widths, batch, examples, epochs):
    random = np.random.default_rng(0)
    x = random.uniform(-1, 1, (examples, widths[0])).astype(np.float32)
    labels = (x[:, 0] > 0) if widths[-1] == 1 else x[:, : widths[-1]].argmax(1)
    layers = zip(widths, widths[1:])
    first = [random.uniform(-1, 1, i * o + o) / np.sqrt(i) for i, o in layers]
    first = np.concatenate(first).astype(np.float32)
    return Net(widths, epochs, batch, 0.01, x.ravel(), labels.astype(np.uint32), first)


class Torch:
    """Eager, or a step compiled as a whole: forward and backward by torch.compile, the update by its fused optimiser."""

    def __init__(self, compiled):
        import torch

        self.torch, self.compiled = torch, compiled
        torch.set_num_threads(THREADS)
        self.version = f"torch {torch.__version__}"

    def load(self, net):
        torch = self.torch
        layers = []
        for weight, bias in net.first:
            layers += [torch.nn.Linear(*weight.shape), torch.nn.ReLU()]
        self.model = torch.nn.Sequential(*layers[:-1])
        self.linear = layers[::2]
        binary = net.outputs == 1
        loss_of = torch.nn.functional.binary_cross_entropy_with_logits if binary else torch.nn.functional.cross_entropy
        target = (lambda labels: labels[:, None].astype(np.float32)) if binary else (lambda labels: labels.astype(np.int64))
        self.batches = [(torch.tensor(x), torch.tensor(target(labels))) for x, labels in net.batches()]
        self.net = net
        # `foreach` is the faster one for small nets, `fused` for large ones; fused is one call for all parameters.
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=net.rate, fused=True)
        model = self.model

        def loss_and_gradients(x, labels):
            loss = loss_of(model(x), labels)
            loss.backward()
            return loss

        def loss_only(x, labels):
            return loss_of(model(x), labels)

        self.step = loss_and_gradients
        if self.compiled:
            torch._dynamo.reset()
            compiled = torch.compile(loss_only, dynamic=False)
            self.step = lambda x, labels: compiled(x, labels).backward()
            self.reset()
            for x, labels in self.batches[:3]:
                self.step(x, labels)
                self.optimizer.step()
                self.optimizer.zero_grad(set_to_none=True)

    def reset(self):
        with self.torch.no_grad():
            for layer, (weight, bias) in zip(self.linear, self.net.first):
                layer.weight.copy_(self.torch.tensor(weight.T.copy()))
                layer.bias.copy_(self.torch.tensor(bias))

    def run(self):
        self.reset()
        step, optimizer = self.step, self.optimizer
        start = time.perf_counter()
        for x, labels in self.batches * self.net.epochs:
            step(x, labels)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return time.perf_counter() - start

    def result(self):
        return [(layer.weight.detach().numpy().T, layer.bias.detach().numpy()) for layer in self.linear]


class Jax:
    """The epochs are one compiled program: `lax.scan` over the batches, in a scan over the epochs."""

    def __init__(self):
        import jax

        self.jax, self.version = jax, f"jax {jax.__version__}"

    def load(self, net):
        jax, jnp = self.jax, self.jax.numpy

        def loss(params, x, labels):
            *hidden, (weight, bias) = params
            for w, b in hidden:
                x = jax.nn.relu(x @ w + b)
            logits = x @ weight + bias
            if net.outputs == 1:
                z = logits[:, 0]
                return jnp.mean(jnp.maximum(z, 0) - z * labels + jnp.log1p(jnp.exp(-jnp.abs(z))))
            chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)
            return -jnp.mean(chosen)

        def step(params, batch):
            gradients = jax.grad(loss)(params, *batch)
            return jax.tree.map(lambda param, d: param - net.rate * d, params, gradients), None

        def train(params, x, labels):
            epoch = lambda params, _: (jax.lax.scan(step, params, (x, labels))[0], None)
            return jax.lax.scan(epoch, params, length=net.epochs)[0]

        self.train = jax.jit(train)
        kind = np.float32 if net.outputs == 1 else np.int32
        self.x = jnp.asarray(net.x.reshape(-1, net.batch, net.inputs))
        self.labels = jnp.asarray(net.labels.astype(kind).reshape(-1, net.batch))
        self.first = jax.tree.map(jnp.asarray, net.first)
        self.run()

    def run(self):
        start = time.perf_counter()
        self.params = self.jax.block_until_ready(self.train(self.first, self.x, self.labels))
        return time.perf_counter() - start

    def result(self):
        return [(np.asarray(weight), np.asarray(bias)) for weight, bias in self.params]


class Sklearn:
    """`partial_fit` of MLPClassifier, or of SGDClassifier for one output: an epoch at a call."""

    def __init__(self):
        import sklearn
        from sklearn.linear_model import SGDClassifier
        from sklearn.neural_network import MLPClassifier

        self.version = f"scikit-learn {sklearn.__version__}"
        self.linear, self.mlp = SGDClassifier, MLPClassifier
        warnings.filterwarnings("ignore")

    def load(self, net):
        self.net, self.classes = net, np.arange(max(net.outputs, 2))

    def reset(self):
        net = self.net
        if net.outputs == 1:
            self.model = self.linear(
                loss="log_loss", penalty=None, learning_rate="constant", eta0=net.rate, shuffle=False, average=False
            )
            # The first call only allocates; the parameters are then replaced.
            self.model.partial_fit(net.x[:1], net.labels[:1], classes=self.classes)
            weight, bias = net.first[0]
            # In place: the model trains in the memory that it has.
            self.model.coef_[:] = weight.T
            self.model.intercept_[:] = bias
            self.model.t_ = 1.0
            return
        self.model = self.mlp(
            hidden_layer_sizes=[len(bias) for _, bias in net.first[:-1]],
            solver="sgd",
            alpha=0,
            batch_size=net.batch,
            learning_rate_init=net.rate,
            momentum=0,
            nesterovs_momentum=False,
            shuffle=False,
        )
        # A step on the first batch only allocates, and the optimiser keeps these arrays.
        self.model.partial_fit(net.x[: net.batch], net.labels[: net.batch], classes=self.classes)
        for at, (weight, bias) in enumerate(net.first):
            self.model.coefs_[at][:] = weight
            self.model.intercepts_[at][:] = bias

    def run(self):
        self.reset()
        start = time.perf_counter()
        for _ in range(self.net.epochs):
            self.model.partial_fit(self.net.x, self.net.labels)
        return time.perf_counter() - start

    def result(self):
        if self.net.outputs == 1:
            return [(self.model.coef_.T, self.model.intercept_)]
        return list(zip(self.model.coefs_, self.model.intercepts_))


def framework():
    match FRAMEWORK:
        case "torch":
            return Torch(compiled=False)
        case "torch.compile":
            return Torch(compiled=True)
        case "jax":
            return Jax()
        case "scikit-learn":
            return Sklearn()
    raise ValueError("the first argument is torch, torch.compile, jax or scikit-learn")


def answer(trainee, line, state):
    command, _, argument = line.strip().partition(" ")
    if command == "load":
        trainee.load(read(argument))
        state["directory"] = argument
        return "ready"
    if command == "run":
        seconds = sum(trainee.run() for _ in range(int(argument)))
        arrays = [np.ascontiguousarray(array, "<f4").ravel() for pair in trainee.result() for array in pair]
        np.concatenate(arrays).tofile(Path(state["directory"], "result"))
        return repr(seconds)
    raise ValueError(f"not understood: {line!r}")


def serve(trainee):
    state = {}
    for line in sys.stdin:
        try:
            text = answer(trainee, line, state)
        except Exception as error:
            text = f"error: {type(error).__name__}: {error}".replace("\n", " ")
        print(text, flush=True)


def measure(trainee, seconds=2.0):
    for widths, batch, examples, epochs in NETS:
        trainee.load(draw(widths, batch, examples, epochs))
        trainee.run()
        end, times = time.perf_counter() + seconds, []
        while time.perf_counter() < end or len(times) < 3:
            times.append(trainee.run())
        name = "-".join(str(width) for width in widths)
        rate = round(examples * epochs / statistics.median(times))
        line = {"engine": FRAMEWORK, "version": trainee.version, "net": name, "batch": batch, "threads": THREADS}
        print(json.dumps({**line, "samples_per_second": rate}), flush=True)


if __name__ == "__main__":
    try:
        import numpy as np

        chosen = framework()
    except ImportError as error:
        print(f"error: not installed: {error}", flush=True)
        sys.exit(1)
    except ValueError as error:
        print(f"error: {error}", flush=True)
        sys.exit(1)
    if sys.stdin.isatty() or "--measure" in sys.argv:
        measure(chosen)
    else:
        print(chosen.version, flush=True)
        serve(chosen)
