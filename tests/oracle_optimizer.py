"""Keras's optimizers in numpy and float64: the rules, and all that a step does around them.

Argument names and defaults are Keras's. A step takes and returns lists of weights, and keeps its
slots itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Arrays = list[np.ndarray]
# Changes w and the slots (a dictionary that starts empty) in place; t counts from 1.
Rule = Callable[[np.ndarray, np.ndarray, dict[str, Any], float, int, dict[str, Any]], None]


def _slot(slots: dict[str, Any], name: str, like: np.ndarray, first: float = 0.0) -> np.ndarray:
    return slots.setdefault(name, np.full(like.shape, first))


def sgd(w: np.ndarray, g: np.ndarray, s: dict[str, Any], lr: float, t: int, o: Any) -> None:
    mu = o.get("momentum", 0.0)
    m = _slot(s, "momentum", w)
    m[...] = mu * m - lr * g
    w += mu * m - lr * g if o.get("nesterov") else m


def rmsprop(w: np.ndarray, g: np.ndarray, s: dict[str, Any], lr: float, t: int, o: Any) -> None:
    rho = o.get("rho", 0.9)
    v, m, a = (_slot(s, name, w) for name in ("velocity", "momentum", "average_gradient"))
    v[...] = rho * v + (1 - rho) * g**2
    a[...] = rho * a + (1 - rho) * g
    variance = v - a**2 if o.get("centered") else v
    m[...] = o.get("momentum", 0.0) * m + lr * g / np.sqrt(variance + o["epsilon"])
    w -= m


def _moments(w: np.ndarray, g: np.ndarray, s: dict[str, Any], o: Any) -> tuple[Any, Any, Any, Any]:
    b1, b2 = o.get("beta_1", 0.9), o.get("beta_2", 0.999)
    m, v = _slot(s, "momentum", w), _slot(s, "velocity", w)
    m += (1 - b1) * (g - m)
    v += (1 - b2) * (g**2 - v)
    return b1, b2, m, v


def adam(w: np.ndarray, g: np.ndarray, s: dict[str, Any], lr: float, t: int, o: Any) -> None:
    b1, b2, m, v = _moments(w, g, s, o)
    if o.get("amsgrad"):
        v_hat = _slot(s, "velocity_hat", w)
        v = np.maximum(v_hat, v, out=v_hat)
    alpha = lr * np.sqrt(1 - b2**t) / (1 - b1**t)
    w -= alpha * m / (np.sqrt(v) + o["epsilon"])


def nadam(w: np.ndarray, g: np.ndarray, s: dict[str, Any], lr: float, t: int, o: Any) -> None:
    b1, b2, m, v = _moments(w, g, s, o)
    u = [b1 * (1 - 0.5 * 0.96**i) for i in range(1, t + 2)]
    product = np.prod(u[:-1])
    m_hat = u[-1] * m / (1 - product * u[-1]) + (1 - u[-2]) * g / (1 - product)
    w -= lr * m_hat / (np.sqrt(v / (1 - b2**t)) + o["epsilon"])


def adagrad(w: np.ndarray, g: np.ndarray, s: dict[str, Any], lr: float, t: int, o: Any) -> None:
    a = _slot(s, "accumulator", w, o.get("initial_accumulator_value", 0.1))
    a += g**2
    w -= lr * g / np.sqrt(a + o["epsilon"])


def adadelta(w: np.ndarray, g: np.ndarray, s: dict[str, Any], lr: float, t: int, o: Any) -> None:
    rho, epsilon = o.get("rho", 0.95), o["epsilon"]
    a, d = _slot(s, "accumulated_grad", w), _slot(s, "accumulated_delta_var", w)
    a[...] = rho * a + (1 - rho) * g**2
    step = np.sqrt(d + epsilon) / np.sqrt(a + epsilon) * g
    d[...] = rho * d + (1 - rho) * step**2
    w -= lr * step


def adamax(w: np.ndarray, g: np.ndarray, s: dict[str, Any], lr: float, t: int, o: Any) -> None:
    b1, b2 = o.get("beta_1", 0.9), o.get("beta_2", 0.999)
    m, u = _slot(s, "momentum", w), _slot(s, "norm", w)
    m += (1 - b1) * (g - m)
    u[...] = np.maximum(b2 * u, np.abs(g))
    w -= lr * m / ((1 - b1**t) * (u + o["epsilon"]))


def lion(w: np.ndarray, g: np.ndarray, s: dict[str, Any], lr: float, t: int, o: Any) -> None:
    b1, b2 = o.get("beta_1", 0.9), o.get("beta_2", 0.99)
    m = _slot(s, "momentum", w)
    w -= lr * np.sign(b1 * m + (1 - b1) * g)
    m[...] = b2 * m + (1 - b2) * g


def ftrl(w: np.ndarray, g: np.ndarray, s: dict[str, Any], lr: float, t: int, o: Any) -> None:
    power, l1 = -o.get("learning_rate_power", -0.5), o.get("l1_regularization_strength", 0.0)
    l2 = o.get("l2_regularization_strength", 0.0) + o.get("beta", 0.0) / (2 * lr)
    a = _slot(s, "accumulator", w, o.get("initial_accumulator_value", 0.1))
    linear = _slot(s, "linear", w)
    new = a + g**2
    linear += g + 2 * o.get("l2_shrinkage_regularization_strength", 0.0) * w
    linear -= (new**power - a**power) / lr * w
    w[...] = (np.clip(linear, -l1, l1) - linear) / (new**power / lr + 2 * l2)
    a[...] = new


RULES: dict[str, Rule] = {
    "sgd": sgd,
    "rmsprop": rmsprop,
    "adam": adam,
    "nadam": nadam,
    "adagrad": adagrad,
    "adadelta": adadelta,
    "adamax": adamax,
    "lion": lion,
    "ftrl": ftrl,
}


class OracleOptimizer:
    """One of RULES with the options that all optimizers have.

    Args:
        name: Key of RULES.
        options: Keras's arguments.
    """

    def __init__(self, name: str, **options: Any) -> None:
        self.rule = RULES[name]
        self.options = {"epsilon": 1e-7, **options}
        self.iterations = 0
        self.slots: list[dict[str, Any]] = []
        self.sums: Arrays = []
        self.averages: Arrays = []

    def step(
        self, weights: Arrays, gradients: Arrays, decays: Sequence[bool] | None = None
    ) -> None:
        """Changes the weights in place."""
        o = self.options
        if not self.slots:
            self.slots = [{} for _ in weights]
            self.sums, self.averages = ([np.zeros_like(w) for w in weights] for _ in range(2))
        every = o.get("gradient_accumulation_steps") or 1
        before = self.iterations // every
        self.sums = [s + g for s, g in zip(self.sums, gradients, strict=True)]
        if (self.iterations + 1) % every == 0:
            clipped = self._clipped([s / every for s in self.sums])
            self.sums = [np.zeros_like(w) for w in weights]
            for i, g in enumerate(clipped):
                if decays is None or decays[i]:
                    weights[i] -= weights[i] * o.get("weight_decay", 0.0) * o["learning_rate"]
                self.rule(weights[i], g, self.slots[i], o["learning_rate"], before + 1, o)
        if o.get("use_ema"):
            self._average(weights, before)
        self.iterations += 1

    def _clipped(self, gradients: Arrays) -> Arrays:
        o = self.options
        if "clipnorm" in o:
            return [g * o["clipnorm"] / max(np.linalg.norm(g), o["clipnorm"]) for g in gradients]
        if "global_clipnorm" in o:
            norm = np.sqrt(sum((g**2).sum() for g in gradients))
            return [g * o["global_clipnorm"] / max(norm, o["global_clipnorm"]) for g in gradients]
        limit = o.get("clipvalue", np.inf)
        return [g.clip(-limit, limit) for g in gradients]

    def _average(self, weights: Arrays, before: int) -> None:
        momentum = self.options.get("ema_momentum", 0.99) if before else 0.0
        frequency = self.options.get("ema_overwrite_frequency")
        for average, w in zip(self.averages, weights, strict=True):
            average[...] = momentum * average + (1 - momentum) * w
            if frequency and (before + 1) % frequency == 0:
                w[...] = average
