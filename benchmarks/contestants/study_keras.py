"""Keras Tuner's grid search, as its guide does, all the threads that it wants: argv = folder directory."""

import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import keras_tuner
from turns import BATCH, CLASSES, EPOCHS, HIDDEN, RATES, arrays

OPTIMIZERS = {
    "sgd": lambda lr: keras.optimizers.SGD(lr),
    "momentum": lambda lr: keras.optimizers.SGD(lr, momentum=0.9),
    "nesterov": lambda lr: keras.optimizers.SGD(lr, momentum=0.9, nesterov=True),
    "adagrad": keras.optimizers.Adagrad,
    "rmsprop": keras.optimizers.RMSprop,
    "adam": keras.optimizers.Adam,
    "nadam": keras.optimizers.Nadam,
    "adamw": keras.optimizers.AdamW,
}


def build_model(hp: keras_tuner.HyperParameters) -> keras.Model:
    """The network with the trial's optimiser."""
    layers = [keras.layers.Dense(units, "selu", kernel_initializer="lecun_normal") for units in HIDDEN]
    model = keras.Sequential([keras.layers.Input((784,)), *layers, keras.layers.Dense(CLASSES, "softmax")])
    optimizer = OPTIMIZERS[hp.Choice("optimizer", list(OPTIMIZERS))](hp.Choice("lr", RATES))
    model.compile(loss="sparse_categorical_crossentropy", optimizer=optimizer, metrics=["accuracy"])
    return model


if __name__ == "__main__":
    folder, directory = sys.argv[1:]
    x, y, x_valid, y_valid = arrays(folder)
    trials = len(OPTIMIZERS) * len(RATES)
    tuner = keras_tuner.GridSearch(build_model, "val_accuracy", max_trials=trials, directory=directory)
    tuner.search(x, y, batch_size=BATCH, epochs=EPOCHS, validation_data=(x_valid, y_valid))
    if len(tuner.oracle.trials) != trials:
        sys.exit(f"{len(tuner.oracle.trials)} trials, expected {trials}")
