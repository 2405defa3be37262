"""Nets: the multilayer perceptron, its parts, and the few layers torch lacks."""
