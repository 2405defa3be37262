"""JAX as an expert would write it: `jit` of a `scan` over the epoch, optax: argv = folder case. One thread."""

import os
import sys

# Before jax is imported: XLA reads them once.
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import optax
from turns import BATCH, CLASSES, HIDDEN, L2, MAX_NORM, RATE, arrays, serve

if __name__ == "__main__":
    folder, case = sys.argv[1:]
    regularised, cnn = case == "regularised", case == "cnn"
    x, y, x_valid, y_valid = (jnp.asarray(part) for part in arrays(folder))
    # conf/model/cnn.yaml: two convolutions of 3 x 3, each with a pooling of 2 x 2, then 100 units.
    sizes = [32 * 7 * 7, 100, CLASSES] if cnn else [784, *HIDDEN, CLASSES]
    keys = jax.random.split(jax.random.key(0), 5)
    filters = [
        {"w": jax.random.normal(key, (3, 3, a, b)) * (2 / (9 * a)) ** 0.5, "b": jnp.zeros(b)}
        for key, a, b in zip(keys[3:], (1, 16), (16, 32), strict=True)
    ]
    params = [
        {"w": jax.random.normal(key, (a, b)) / a**0.5, "b": jnp.zeros(b)}
        | ({"scale": jnp.ones(b), "shift": jnp.zeros(b)} if regularised and b != CLASSES else {})
        for key, a, b in zip(keys, sizes, sizes[1:], strict=False)
    ]
    params = (filters if cnn else []) + params
    running = [(jnp.zeros(n), jnp.ones(n)) for n in HIDDEN] if regularised else []
    optimizer = optax.nadam(0.001) if case == "nadam" else optax.sgd(0.01)

    def forward(params, running, h, key, train):
        """Logits, and the running statistics after this batch."""
        after = []
        if cnn:
            h = h.reshape(-1, 28, 28, 1)
            for layer in params[:2]:
                h = jax.lax.conv_general_dilated(
                    h, layer["w"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
                )
                h = jax.nn.relu(h + layer["b"])
                h = jax.lax.reduce_window(h, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
            h = jax.nn.relu(h.reshape(len(h), -1) @ params[2]["w"] + params[2]["b"])
            return h @ params[3]["w"] + params[3]["b"], after
        for i, layer in enumerate(params):
            if regularised and train:
                keep = jax.random.bernoulli(jax.random.fold_in(key, i), 1 - RATE, h.shape)
                h = jnp.where(keep, h / (1 - RATE), 0)
            h = h @ layer["w"] + layer["b"]
            if i < len(HIDDEN):
                h = jax.nn.selu(h)
                if regularised:
                    mean, var = (h.mean(0), h.var(0)) if train else running[i]
                    after.append(
                        tuple(0.99 * old + 0.01 * new for old, new in zip(running[i], (mean, var), strict=True))
                    )
                    h = (h - mean) * jax.lax.rsqrt(var + 0.001) * layer["scale"] + layer["shift"]
        return h, after

    def loss_of(params, running, x, y, key):
        """Loss, and (hits, running statistics)."""
        logits, after = forward(params, running, x, key, True)
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()
        if regularised:
            loss += L2 * sum((layer["w"] ** 2).sum() for layer in params)
        return loss, ((logits.argmax(1) == y).sum(), after)

    def step(carry, indices):
        """One mini-batch."""
        params, state, running, key = carry
        key, noise = jax.random.split(key)
        gradient = jax.value_and_grad(loss_of, has_aux=True)
        (loss, (hits, running)), grads = gradient(params, running, x[indices], y[indices], noise)
        updates, state = optimizer.update(grads, state, params)
        params = optax.apply_updates(params, updates)
        if regularised:
            for layer in params[:-1]:
                norm = jnp.linalg.norm(layer["w"], axis=0, keepdims=True)
                layer["w"] = layer["w"] * jnp.minimum(norm, MAX_NORM) / (norm + 1e-7)
        return (params, state, running, key), (loss, hits)

    @jax.jit
    def train(carry, order):
        """All full batches of an epoch, then the validation."""
        carry, (losses, hits) = jax.lax.scan(step, carry, order)
        logits, _ = forward(carry[0], carry[2], x_valid, carry[3], False)
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, y_valid).mean()
        return carry, (losses.sum(), hits.sum(), loss, (logits.argmax(1) == y_valid).sum())

    box = [(params, optimizer.init(params), running, jax.random.key(1)), jax.random.key(2)]

    def epoch() -> None:
        """One epoch; the last partial batch is left out, in JAX's favour."""
        box[1], key = jax.random.split(box[1])
        steps = len(y) // BATCH
        order = jax.random.permutation(key, len(y))[: steps * BATCH].reshape(steps, BATCH)
        box[0], numbers = train(box[0], order)
        jax.block_until_ready((box[0], numbers))

    serve(epoch)
