"""JAX as an expert would write a fleet: `vmap` over trials of a `scan` over the epoch, optax.

argv = folder trials precision, the last of `jax_default_matmul_precision`: "float32" is what the others compute in,
"default" lets a GPU round factors to 10 bits.
"""

import sys

import jax
import jax.numpy as jnp
import optax
from turns import BATCH, CLASSES, HIDDEN, arrays, serve

if __name__ == "__main__":
    folder, trials = sys.argv[1], int(sys.argv[2])
    jax.config.update("jax_default_matmul_precision", sys.argv[3])
    x, y, x_valid, y_valid = (jnp.asarray(part) for part in arrays(folder))
    sizes = [x.shape[1], *HIDDEN, CLASSES]
    steps = len(y) // BATCH

    def start(key):
        """One trial's parameters."""
        return [
            {"w": jax.random.normal(each, (a, b)) / a**0.5, "b": jnp.zeros(b)}
            for each, a, b in zip(jax.random.split(key, len(sizes) - 1), sizes, sizes[1:], strict=False)
        ]

    def forward(params, h):
        """Logits."""
        for layer in params[:-1]:
            h = jax.nn.selu(h @ layer["w"] + layer["b"])
        return h @ params[-1]["w"] + params[-1]["b"]

    def loss_of(params, x, y):
        """Loss, and hits."""
        logits = forward(params, x)
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()
        return loss, (logits.argmax(1) == y).sum()

    def epoch_of(params, rate, key):
        """All full batches of an epoch in the trial's own order, then the validation."""
        order = jax.random.permutation(key, len(y))[: steps * BATCH].reshape(steps, BATCH)
        optimizer = optax.sgd(rate)

        def step(params, indices):
            (loss, hits), grads = jax.value_and_grad(loss_of, has_aux=True)(params, x[indices], y[indices])
            updates, _ = optimizer.update(grads, optimizer.init(params), params)
            return optax.apply_updates(params, updates), (loss, hits)

        params, (losses, hits) = jax.lax.scan(step, params, order)
        return params, losses.sum(), hits.sum(), loss_of(params, x_valid, y_valid)

    train = jax.jit(jax.vmap(epoch_of), donate_argnums=0)
    rates = jnp.geomspace(0.001, 0.1, trials)
    box = [jax.vmap(start)(jax.random.split(jax.random.key(0), trials)), jax.random.key(1)]

    def epoch() -> None:
        """One epoch of every trial; the last partial batch is left out, in JAX's favour."""
        box[1], key = jax.random.split(box[1])
        box[0], *numbers = train(box[0], rates, jax.random.split(key, trials))
        jax.block_until_ready((box[0], numbers))

    serve(epoch)
