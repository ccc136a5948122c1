"""compile, fit, evaluate, predict: what they return and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from convlet import (
    Input,
    Sequential,
    _native,
    get_num_threads,
    layers,
    losses,
    metrics,
    set_num_threads,
    utils,
)
from convlet.callbacks import Callback
from convlet.optimizers import RMSprop

RNG = np.random.default_rng(0)
X = RNG.random((50, 6, 6, 1), np.float32)
LABELS = RNG.integers(0, 3, 50)
ONE_HOT = np.eye(3, dtype=np.float32)[LABELS]


@pytest.fixture(autouse=True)
def seeded() -> None:
    utils.set_random_seed(0)


def new_model() -> Sequential:
    return Sequential(
        [
            Input((6, 6, 1)),
            layers.Conv2D(4, 3, activation="relu", kernel_initializer="he_normal"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )


def compiled(loss: Any = "sparse_categorical_crossentropy", **arguments: Any) -> Sequential:
    utils.set_random_seed(0)
    model = new_model()
    model.compile("rmsprop", loss, **{"metrics": ["accuracy"], **arguments})
    return model


def same(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


# ---- compile ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"optimizer": "rmspop"}, "optimizer identifier: rmspop. Did you mean 'rmsprop'"),
        ({"loss": "categorical_crossentropi"}, "Did you mean 'categorical_crossentropy'"),
        ({"metrics": ["acuracy"]}, "metric identifier: acuracy. Did you mean 'accuracy'"),
        (
            {"metrics": "accuracy"},
            (
                "Expected `metrics` argument to be a list, tuple, or dict. Received instead: "
                "metrics=accuracy of type <class 'str'>"
            ),
        ),
        ({"metrics": ["sparse_categorical_accuracy"]}, "need different targets"),
        ({"loss_weights": [1.0, 2.0]}, "one `loss_weights`. Received 2"),
        ({"loss_weights": {"dense": 1.0}}, "one `loss_weights`, not a dictionary"),
        ({"loss_weights": "a"}, "`loss_weights`"),
        ({"loss": ["mse", "mae"]}, "one `loss`. Received 2"),
        ({"loss": losses.MeanSquaredError(reduction="none")}, "`reduction='none'`"),
        ({"weighted_metrics": "accuracy"}, "Expected `weighted_metrics` argument to be a list"),
        ({"steps_per_execution": 0}, "`steps_per_execution`"),
    ],
    ids=str,
)
def test_bad_compile_is_refused_and_changes_nothing(
    arguments: dict[str, Any], message: str
) -> None:
    model = compiled("categorical_crossentropy")
    optimizer = model.optimizer
    with pytest.raises(ValueError, match=message):
        model.compile(**{"loss": "categorical_crossentropy", **arguments})
    assert model.optimizer is optimizer
    model.train_on_batch(X, ONE_HOT)


def test_metrics_outlast_a_compile_that_names_none() -> None:
    model = compiled()
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert model.metrics_names == ["loss", "accuracy"]
    assert model.get_compile_config()["metrics"] is None
    loss, accuracy = model.evaluate(X, LABELS, verbose=0)  # type: ignore[misc]
    assert accuracy == (model.predict(X, verbose=0).argmax(-1) == LABELS).mean()
    assert list(model.get_metrics_result().items()) == [("loss", loss), ("accuracy", accuracy)]
    model.compile("sgd", "sparse_categorical_crossentropy", weighted_metrics=["acc"])
    assert model.metrics_names == ["loss", "acc"]
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=[])
    assert isinstance(model.evaluate(X, LABELS, verbose=0), float)


def test_what_only_concerns_kerass_execution_is_accepted() -> None:
    model = new_model()
    model.compile(
        loss="categorical_crossentropy", run_eagerly=True, jit_compile=False, auto_scale_loss=False
    )
    assert model.compiled
    assert type(model.optimizer).__name__ == "RMSprop"


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
def test_compile_comes_first(method: str) -> None:
    with pytest.raises(ValueError, match=r"You must call `compile\(\)` before using the model"):
        getattr(new_model(), method)(X, LABELS)


def test_training_needs_a_loss() -> None:
    model = new_model()
    model.compile(metrics=["accuracy"])
    with pytest.raises(ValueError, match=r"No loss to compute\. Provide a `loss`"):
        model.fit(X, LABELS, verbose=0)


def test_names_of_the_results() -> None:
    named = metrics.SparseCategoricalAccuracy(name="right")
    model = compiled(metrics=["acc", named, "SparseCategoricalAccuracy"])
    assert model.metrics_names == ["loss", "acc", "right", "SparseCategoricalAccuracy"]
    history = model.fit(X, LABELS, verbose=0).history
    assert list(history) == ["SparseCategoricalAccuracy", "acc", "loss", "right"]
    assert history["acc"] == history["right"]
    assert new_model().metrics_names == []


# ---- fit ----------------------------------------------------------------------------------------


def test_history_is_kerass() -> None:
    model = compiled()
    history = model.fit(
        X, LABELS, batch_size=16, epochs=3, verbose=0, validation_data=(X[:10], LABELS[:10])
    )
    assert list(history.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert history.epoch == [0, 1, 2]
    assert history.params == {"verbose": 0, "epochs": 3, "steps": 4}
    assert model.history is history
    assert all(type(value) is float for values in history.history.values() for value in values)
    assert [len(values) for values in history.history.values()] == [3] * 4


def test_fit_is_train_on_batch_in_order() -> None:
    """The last, smaller batch is trained and counts by its rows."""
    fitted, stepped = compiled(), compiled()
    history = fitted.fit(X, LABELS, batch_size=16, shuffle=False, verbose=0).history
    results = [
        (stepped.train_on_batch(X[i : i + 16], LABELS[i : i + 16]), len(X[i : i + 16]))
        for i in range(0, 50, 16)
    ]
    assert same(fitted.get_weights(), stepped.get_weights())
    for index, name in enumerate(["loss", "accuracy"]):
        mean = sum(values[index] * rows for values, rows in results) / 50  # type: ignore[index]
        assert history[name] == [pytest.approx(mean, rel=1e-6)]
    assert fitted.optimizer is not None
    assert fitted.optimizer.iterations == 4


def test_batch_hooks_do_not_change_the_numbers() -> None:
    class Hook(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None: ...

    plain, hooked = compiled(), compiled()
    utils.set_random_seed(1)
    first = plain.fit(X, LABELS, batch_size=8, epochs=2, verbose=0).history
    utils.set_random_seed(1)
    second = hooked.fit(X, LABELS, batch_size=8, epochs=2, verbose=0, callbacks=[Hook()]).history
    assert first == second
    assert same(plain.get_weights(), hooked.get_weights())


def test_same_seed_same_bits() -> None:
    runs = []
    for seed in (5, 5, 6):
        utils.set_random_seed(seed)
        model = new_model()
        model.compile("rmsprop", "sparse_categorical_crossentropy")
        model.fit(X, LABELS, batch_size=8, epochs=2, verbose=0)
        runs.append(model.get_weights())
    assert same(runs[0], runs[1])
    assert not same(runs[0], runs[2])


def test_shuffle_changes_the_order_of_training() -> None:
    weights = []
    for shuffle in (False, True, "batch"):
        model = compiled()
        model.fit(X, LABELS, batch_size=8, shuffle=shuffle, verbose=0)
        weights.append(model.get_weights())
    assert not same(weights[0], weights[1])
    # Inside a batch the order makes no difference but for rounding.
    for a, b in zip(weights[0], weights[2], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "convert",
    [
        lambda x: x.astype(np.float64),
        np.asfortranarray,
        lambda x: x[..., 0],
        lambda x: x.tolist(),
        lambda x: [x],
    ],
    ids=["float64", "fortran", "no channel", "list", "list of one array"],
)
def test_form_of_the_input_makes_no_difference(convert: Callable[[np.ndarray], Any]) -> None:
    reference, other = compiled(), compiled()
    reference.fit(X, LABELS, shuffle=False, verbose=0)
    other.fit(convert(X), LABELS.tolist(), shuffle=False, verbose=0)
    assert same(reference.get_weights(), other.get_weights())


def test_list_of_one_array_is_that_array_everywhere() -> None:
    model = compiled(weighted_metrics=["accuracy"])
    weights = np.linspace(0, 1, 50)
    listed = model.evaluate([X], [LABELS], sample_weight=[weights], verbose=0)
    assert listed == model.evaluate(X, LABELS, sample_weight=weights, verbose=0)
    np.testing.assert_array_equal(model.predict((X,), verbose=0), model.predict(X, verbose=0))
    vectors = Sequential([Input((3,)), layers.Dense(2)])
    assert vectors.predict([np.ones(3)], verbose=0).shape == (1, 2)  # a row, as in a longer list


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_dictionary_of_inputs_is_refused(method: str) -> None:
    with pytest.raises(ValueError, match=r"not a dictionary. Received: .* keys \['images'\]"):
        getattr(compiled(), method)({"images": X}, verbose=0)


def test_uint8_images_are_trained_on() -> None:
    images = (X * 255).astype(np.uint8)
    first, second = compiled(), compiled()
    first.fit(images, LABELS, shuffle=False, verbose=0)
    second.fit(images.astype(np.float32), LABELS, shuffle=False, verbose=0)
    assert same(first.get_weights(), second.get_weights())


def test_one_hot_and_sparse_labels_train_alike() -> None:
    sparse, one_hot = compiled(), compiled("categorical_crossentropy")
    first = sparse.fit(X, LABELS, shuffle=False, verbose=0).history
    second = one_hot.fit(X, ONE_HOT, shuffle=False, verbose=0).history
    assert first["accuracy"] == second["accuracy"]
    assert first["loss"] == pytest.approx(second["loss"], rel=1e-6)
    for a, b in zip(sparse.get_weights(), one_hot.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_logits_and_softmax_train_alike() -> None:
    probabilities = compiled(losses.SparseCategoricalCrossentropy())
    logits = compiled(losses.SparseCategoricalCrossentropy(from_logits=True))
    weights = logits.get_weights()
    logits.pop()
    logits.add(layers.Dense(3))
    logits.set_weights(weights)
    first = probabilities.fit(X, LABELS, shuffle=False, verbose=0).history
    second = logits.fit(X, LABELS, shuffle=False, verbose=0).history
    assert first["loss"] == pytest.approx(second["loss"], rel=1e-5)


def test_sample_weight_is_divided_by_rows() -> None:
    model = compiled()
    weights = np.arange(50) / 10
    rows = losses.sparse_categorical_crossentropy(LABELS, model.predict(X, verbose=0))
    expected = (rows * weights).sum() / 50
    loss, accuracy = model.evaluate(X, LABELS, sample_weight=weights, verbose=0)  # type: ignore[misc]
    assert loss == pytest.approx(expected, rel=1e-5)
    assert accuracy == pytest.approx(model.evaluate(X, LABELS, verbose=0)[1])  # type: ignore[index]
    history = model.fit(X, LABELS, sample_weight=weights, batch_size=50, verbose=0).history
    assert history["loss"] == [pytest.approx(expected, rel=1e-5)]


def test_class_weight_is_a_sample_weight() -> None:
    by_class, by_row = compiled(), compiled()
    weights = np.where(LABELS == 1, 4.0, np.where(LABELS == 2, 0.5, 1.0))
    by_class.fit(X, LABELS, class_weight={1: 4.0, 2: 0.5}, shuffle=False, verbose=0)
    by_row.fit(X, LABELS, sample_weight=weights, shuffle=False, verbose=0)
    assert same(by_class.get_weights(), by_row.get_weights())


def test_validation_split_is_validation_data_of_the_tail() -> None:
    split, given = compiled(), compiled()
    first = split.fit(X, LABELS, validation_split=0.23, shuffle=False, verbose=0).history
    second = given.fit(
        X[:38], LABELS[:38], validation_data=(X[38:], LABELS[38:]), shuffle=False, verbose=0
    ).history
    assert first == second
    assert same(split.get_weights(), given.get_weights())


def test_validation_data_win_over_validation_split() -> None:
    model = compiled()
    history = model.fit(
        X, LABELS, validation_split=0.5, validation_data=(X[:5], LABELS[:5]), verbose=0
    )
    assert history.params is not None
    assert history.params["steps"] == 2
    assert history.history["val_loss"] == [
        pytest.approx(model.evaluate(X[:5], LABELS[:5], verbose=0)[0])  # type: ignore[index]
    ]


def test_validation_weights_count() -> None:
    model = compiled()
    weights = np.linspace(0, 2, 50)
    history = model.fit(X, LABELS, validation_data=(X, LABELS, weights), verbose=0).history
    assert history["val_loss"] == [
        pytest.approx(model.evaluate(X, LABELS, sample_weight=weights, verbose=0)[0])  # type: ignore[index]
    ]


@pytest.mark.parametrize(("frequency", "count"), [(1, 5), (2, 2), (5, 1), ([1, 4], 2), ([9], 0)])
def test_validation_freq(frequency: Any, count: int) -> None:
    history = compiled().fit(
        X, LABELS, epochs=5, validation_split=0.2, validation_freq=frequency, verbose=0
    )
    assert len(history.history.get("val_loss", [])) == count
    assert len(history.history["loss"]) == 5


def test_epochs_is_where_to_stop() -> None:
    model = compiled()
    assert model.fit(X, LABELS, epochs=0, verbose=0).history == {}
    assert model.fit(X, LABELS, initial_epoch=3, epochs=5, verbose=0).epoch == [3, 4]
    assert model.fit(X, LABELS, initial_epoch=5, epochs=5, verbose=0).history == {}


def test_training_goes_on_where_it_stopped() -> None:
    at_once, in_parts = compiled(), compiled()
    at_once.fit(X, LABELS, epochs=2, shuffle=False, verbose=0)
    for _ in range(2):
        in_parts.fit(X, LABELS, shuffle=False, verbose=0)
    assert same(at_once.get_weights(), in_parts.get_weights())


def test_training_learns() -> None:
    y = np.arange(200) % 2
    x = np.random.default_rng(1).random((200, 6, 6, 1), np.float32)
    x[y == 1, :3] += 0.5
    utils.set_random_seed(0)
    model = Sequential([layers.Flatten(), layers.Dense(2, activation="softmax")])
    model.compile(RMSprop(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, epochs=20, batch_size=20, verbose=0).history
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert history["accuracy"][-1] > 0.9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "`batch_size`"),
        ({"batch_size": 2.5}, "`batch_size`"),
        ({"epochs": -1}, "`epochs`"),
        ({"epochs": "3"}, "`epochs`"),
        ({"initial_epoch": -1}, "`initial_epoch`"),
        ({"verbose": 3}, "`verbose` must be 0, 1, 2 or 'auto'"),
        ({"verbose": "loud"}, "`verbose` must be 0, 1, 2 or 'auto'"),
        ({"shuffle": "rows"}, "`shuffle` must be True, False or 'batch'"),
        ({"validation_split": -0.1}, "`validation_split`"),
        ({"validation_split": 1.0}, "not sufficient to split"),
        ({"validation_data": X}, r"`validation_data` must be a tuple `\(x, y\)`"),
        ({"validation_data": (X,)}, r"`validation_data` must be a tuple `\(x, y\)`"),
        ({"validation_data": (X, LABELS[:3])}, "cardinality"),
        ({"validation_freq": 0}, "`validation_freq`"),
        ({"validation_freq": [1, "a"]}, "`validation_freq`"),
        ({"validation_batch_size": -3}, "`validation_batch_size`"),
        ({"steps_per_epoch": 0}, "`steps_per_epoch`"),
        ({"validation_steps": 1.5}, "`validation_steps`"),
        ({"callbacks": [3]}, "`callbacks` must be a list"),
        ({"x": X[:0], "y": LABELS[:0]}, "`x` is empty"),
        ({"x": X[:, :5]}, r"Expected shape \(None, 6, 6, 1\), received shape \(50, 5, 6, 1\)"),
        ({"x": None}, "`x` is missing"),
        ({"y": None}, "`y` is missing"),
        ({"y": ONE_HOT}, "For one-hot labels use the loss 'categorical_crossentropy'"),
        ({"y": LABELS + 1}, "outside the valid range"),
        ({"sample_weight": np.ones(3)}, "'sample_weight' sizes: 3"),
        (
            {"sample_weight": np.ones(50), "class_weight": {0: 1.0}},
            "You cannot `class_weight` and `sample_weight` at the same time.",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_fit_is_refused_before_anything_happens(
    arguments: dict[str, Any], message: str
) -> None:
    model = compiled()
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        model.fit(**{"x": X, "y": LABELS, "verbose": 0, **arguments})
    assert same(before, model.get_weights())
    assert model.history is None


def changed(model: Sequential, train: Callable[[], Any]) -> list[bool]:
    """Whether each weight is another one after some training."""
    before = model.get_weights()
    train()
    return [bool((a != b).any()) for a, b in zip(before, model.get_weights(), strict=True)]


def test_trainable_at_the_first_step_counts_until_the_next_compile() -> None:
    """As in Keras, which reads it when it makes the function that trains."""
    model = compiled()
    free = len(model.get_weights())
    model.evaluate(X, LABELS, verbose=0)
    model.layers[0].trainable = False

    def fit() -> None:
        model.fit(X, LABELS, verbose=0)

    assert changed(model, fit) == [False, False, *[True] * (free - 2)]
    assert model.optimizer is not None
    assert len(model.optimizer.get_state()) == 2 + free - 2
    model.layers[0].trainable = True
    assert changed(model, fit) == [False, False, *[True] * (free - 2)]
    model.compile("rmsprop", model.loss)
    assert changed(model, lambda: model.train_on_batch(X, LABELS)) == [True] * free


def test_frozen_model_learns_nothing_and_warns() -> None:
    model = compiled()
    model.trainable = False
    assert not any(layer.trainable for layer in model.layers)
    with pytest.warns(UserWarning, match="does not have any trainable weights"):
        loss = model.train_on_batch(X, LABELS)
    assert not any(changed(model, lambda: model.train_on_batch(X, LABELS)))
    assert model.evaluate(X, LABELS, verbose=0) == pytest.approx(loss, rel=1e-5)
    assert model.optimizer is not None
    assert model.optimizer.iterations == 0


def test_layer_frozen_in_part_is_refused() -> None:
    model = compiled()
    model.weights[1].trainable = False
    with pytest.raises(ValueError, match=r"frozen as a whole, and `trainable` of .*bias differs"):
        model.fit(X, LABELS, verbose=0)


def test_frozen_nested_model_stays() -> None:
    inner = Sequential([Input((4,)), layers.Dense(3), layers.BatchNormalization()])
    model = Sequential([Input((4,)), inner, layers.Dense(2, activation="softmax")])
    model.compile("rmsprop", "sparse_categorical_crossentropy")
    inner.trainable = False
    x, y = np.random.default_rng(0).random((8, 4), np.float32), np.arange(8) % 2
    assert changed(model, lambda: model.fit(x, y, verbose=0)) == [*[False] * 6, True, True]


def test_training_argument_of_a_call() -> None:
    model = Sequential([Input((5,)), layers.BatchNormalization(), layers.Dropout(0.5, seed=1)])
    x = np.random.default_rng(0).random((20, 5), np.float32)
    before = model.get_weights()
    np.testing.assert_allclose(model(x), x / np.sqrt(1.001), rtol=1e-5)
    assert same(before, model.get_weights())
    first, second = model(x, training=True), model(x, training=True)
    assert (first != second).any()  # another mask
    kept = (first != 0) & (second != 0)
    np.testing.assert_array_equal(first[kept], second[kept])
    np.testing.assert_allclose(model.get_weights()[2], x.mean(axis=0) * (1 - 0.99**2), rtol=1e-4)


def test_seed_and_row_make_the_mask_whatever_the_threads() -> None:
    def trained(threads: int, seed: int | None) -> list[np.ndarray]:
        set_num_threads(threads)
        utils.set_random_seed(3)
        model = Sequential(
            [
                Input((300,)),
                layers.Dropout(0.5, seed=seed),
                layers.Dense(200, use_bias=False),
                layers.Dense(3, activation="softmax"),
            ]
        )
        model.compile("rmsprop", "sparse_categorical_crossentropy")
        x = np.random.default_rng(0).random((100, 300), np.float32)
        model.fit(x, np.arange(100) % 3, verbose=0, shuffle=False)
        return model.get_weights()

    threads = get_num_threads()
    try:
        for seed in (None, 5):
            assert same(trained(1, seed), trained(1, seed))
            for one, three in zip(trained(1, seed), trained(3, seed), strict=True):
                np.testing.assert_allclose(one, three, rtol=0, atol=1e-4)
        assert not same(trained(1, 5), trained(1, 6))
    finally:
        set_num_threads(threads)


def test_interrupted_training_leaves_a_usable_model() -> None:
    class Interrupter(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 2:
                raise KeyboardInterrupt

    model = compiled()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, LABELS, batch_size=8, verbose=0, callbacks=[Interrupter()])
    assert model.optimizer is not None
    assert model.optimizer.iterations == 3
    assert np.isfinite(model.predict(X, verbose=0)).all()
    model.fit(X, LABELS, verbose=0)


def test_model_that_shares_layers_may_be_used_inside_of_training() -> None:
    """The other model's network holds the weights for a moment; training must get them back."""

    class Peeker(Callback):
        def __init__(self, other: Sequential) -> None:
            super().__init__()
            self.other = other

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.other.predict(X[:2], verbose=0)

    plain, peeked = compiled(), compiled()
    features = Sequential([Input((6, 6, 1)), *peeked.layers[:2]])
    plain.fit(X, LABELS, batch_size=8, shuffle=False, verbose=0)
    peeked.fit(X, LABELS, batch_size=8, shuffle=False, verbose=0, callbacks=[Peeker(features)])
    assert same(plain.get_weights(), peeked.get_weights())


# ---- evaluate, predict and single batches -------------------------------------------------------


def test_evaluate_returns_kerass_types() -> None:
    model = compiled()
    values = model.evaluate(X, LABELS, verbose=0)
    assert isinstance(values, list)
    assert [type(value) for value in values] == [float, float]
    named = model.evaluate(X, LABELS, verbose=0, return_dict=True)
    assert isinstance(named, dict)
    assert list(named.items()) == [("accuracy", values[1]), ("loss", values[0])]
    assert type(compiled(metrics=None).evaluate(X, LABELS, verbose=0)) is float


def test_evaluate_computes_loss_and_accuracy() -> None:
    model = compiled()
    predictions = model.predict(X, verbose=0)
    loss, accuracy = model.evaluate(X, LABELS, batch_size=7, verbose=0)  # type: ignore[misc]
    assert loss == pytest.approx(
        losses.SparseCategoricalCrossentropy()(LABELS, predictions), rel=1e-5
    )
    assert accuracy == pytest.approx((predictions.argmax(axis=1) == LABELS).mean())
    assert model.test_on_batch(X, LABELS) == pytest.approx([loss, accuracy])
    assert model.test_on_batch(X, LABELS, return_dict=True) == pytest.approx(
        {"accuracy": accuracy, "loss": loss}
    )


def test_evaluate_changes_nothing() -> None:
    model = compiled()
    before = model.get_weights()
    model.evaluate(X, LABELS, verbose=0)
    model.test_on_batch(X, LABELS)
    assert same(before, model.get_weights())
    assert model.optimizer is not None
    assert model.optimizer.iterations == 0


def test_train_on_batch_returns_the_results_before_the_step() -> None:
    model = compiled()
    before = model.test_on_batch(X, LABELS)
    assert model.train_on_batch(X, LABELS) == pytest.approx(before)
    after = model.train_on_batch(X, LABELS, return_dict=True)
    assert isinstance(after, dict)
    assert list(after) == ["accuracy", "loss"]
    assert model.test_on_batch(X, LABELS) != pytest.approx(before)
    assert type(compiled(metrics=None).train_on_batch(X, LABELS)) is float


def test_predict_needs_no_compile() -> None:
    predictions = new_model().predict(X, verbose=0)
    assert predictions.shape == (50, 3)
    assert predictions.dtype == np.float32
    np.testing.assert_allclose(predictions.sum(axis=1), 1, rtol=1e-5)


def test_every_way_to_predict_gives_the_same() -> None:
    model = new_model()
    expected = model.predict(X, verbose=0)
    np.testing.assert_array_equal(model.predict(X, batch_size=3, verbose=0), expected)
    np.testing.assert_array_equal(model.predict_on_batch(X), expected)
    np.testing.assert_array_equal(model(X), expected)
    np.testing.assert_array_equal(model(X, training=False), expected)
    np.testing.assert_array_equal(model.predict_on_batch(X.astype(np.float64)), expected)
    np.testing.assert_array_equal(model.predict_on_batch(X[..., 0]), expected)
    for row in (0, 49):
        np.testing.assert_array_equal(model.predict_on_batch(X[row : row + 1])[0], expected[row])


def test_predict_on_batch_of_whatever_layout() -> None:
    model = new_model()
    model.predict(X, verbose=0)
    read_only = X.copy()
    read_only.flags.writeable = False
    expected = model.predict_on_batch(X)
    np.testing.assert_array_equal(model.predict_on_batch(read_only), expected)
    np.testing.assert_array_equal(model.predict_on_batch(X[::-1])[::-1], expected)
    np.testing.assert_array_equal(model.predict_on_batch(np.asfortranarray(X)), expected)


def test_results_are_new_arrays() -> None:
    model = new_model()
    first = model.predict_on_batch(X)
    copy = first.copy()
    model.predict_on_batch(X[::-1])
    np.testing.assert_array_equal(first, copy)


@pytest.mark.parametrize("method", ["predict", "predict_on_batch", "__call__"])
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (X[:0], "`x` is empty"),
        (X[0], r"received shape \(6, 6, 1\). For a single row, add the batch axis: x\[None\]"),
        (X[:, :3], r"Expected shape \(None, 6, 6, 1\)"),
        (X.astype(object), "real numbers"),
        (None, "`x` is missing"),
    ],
    ids=["empty", "one row", "shape", "objects", "none"],
)
def test_bad_input_is_refused(method: str, x: Any, message: str) -> None:
    model = new_model()
    model.predict(X, verbose=0)
    with pytest.raises(ValueError, match=message):
        getattr(model, method)(x)


def test_the_chosen_module_does_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_native, "core", None)
    with pytest.raises(AttributeError, match="NoneType"):
        new_model()
