"""Keras 3 on TensorFlow, `fit` as in the notes, all the threads it wants: argv = folder case."""

import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
from turns import BATCH, CLASSES, HIDDEN, L2, MAX_NORM, RATE, arrays, serve

if __name__ == "__main__":
    folder, case = sys.argv[1:]
    regularised = case == "regularised"
    x, y, x_valid, y_valid = arrays(folder)
    held = {"kernel_regularizer": keras.regularizers.l2(L2)} if regularised else {}
    bound = {"kernel_constraint": keras.constraints.max_norm(MAX_NORM)} if regularised else {}
    layers = [keras.layers.Input((784,))]
    for units in HIDDEN:
        layers += [keras.layers.Dropout(RATE)] if regularised else []
        layers += [keras.layers.Dense(units, "selu", kernel_initializer="lecun_normal", **held, **bound)]
        layers += [keras.layers.BatchNormalization()] if regularised else []
    layers += [keras.layers.Dropout(RATE)] if regularised else []
    model = keras.Sequential([*layers, keras.layers.Dense(CLASSES, "softmax", **held)])
    optimizer = keras.optimizers.Nadam(0.001) if case == "nadam" else keras.optimizers.SGD(0.01)
    model.compile(loss="sparse_categorical_crossentropy", optimizer=optimizer, metrics=["accuracy"])

    def epoch() -> None:
        """A fit of one epoch."""
        model.fit(x, y, batch_size=BATCH, epochs=1, validation_data=(x_valid, y_valid), verbose=1)

    serve(epoch)
