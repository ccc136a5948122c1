"""Estimators for scikit-learn: `ConvNetClassifier` and `ConvNetRegressor` (extra `sklearn`).

```python
from sklearn.model_selection import GridSearchCV
from convlet.sklearn import ConvNetClassifier

classifier = ConvNetClassifier(input_shape=(28, 28, 1), epochs=5, random_state=0)
search = GridSearchCV(classifier, {"hidden": [(64,), (128, 64)]}, n_jobs=2)
search.fit(train_images.reshape(-1, 784) / 255, train_labels)
```
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        "`convlet.sklearn` needs scikit-learn 1.6 or newer: pip install 'convlet[sklearn]'"
    ) from error

from convlet import layers, losses, optimizers
from convlet.model import Model
from convlet.models import Sequential
from convlet.utils.numerical import to_categorical
from convlet.utils.random_state import drawing_from
from convlet.utils.validation import check_bool, check_integer, refuse_unsupported

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ConvNetClassifier", "ConvNetRegressor"]

Array: TypeAlias = npt.NDArray[Any]
Shape: TypeAlias = tuple[int, ...]

_INPUT_TYPES = [np.float32, np.uint8]  # all others become the first
# Parameters of the default network, which have no meaning for one of the caller's.
_DEFAULTS = {"filters": (32, 64), "hidden": (64,), "dropout": 0.0}


class _ConvNet(BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """Parameters, data and training, the same for both estimators."""

    _activation: str | None = None  # of the default network's outputs
    model_: Any
    history_: dict[str, list[float]]
    _generator: np.random.Generator
    _shape: Shape

    def __init__(
        self,
        model: Callable[..., Model] | None = None,
        *,
        model_params: Mapping[str, Any] | None = None,
        input_shape: Sequence[int] | None = None,
        filters: Sequence[int] = (32, 64),
        hidden: Sequence[int] = (64,),
        dropout: float = 0.0,
        optimizer: Any = None,
        learning_rate: Any = None,
        loss: Any = None,
        metrics: Sequence[Any] | None = None,
        batch_size: int = 32,
        epochs: int = 20,
        validation_split: float = 0.0,
        callbacks: Sequence[Any] | None = None,
        verbose: int | str = 0,
        warm_start: bool = False,
        random_state: Any = None,
    ) -> None:
        self.model = model
        self.model_params = model_params
        self.input_shape = input_shape
        self.filters = filters
        self.hidden = hidden
        self.dropout = dropout
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.loss = loss
        self.metrics = metrics
        self.batch_size = batch_size
        self.epochs = epochs
        self.validation_split = validation_split
        self.callbacks = callbacks
        self.verbose = verbose
        self.warm_start = warm_start
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Trains a new model; with `warm_start`, after the first time, goes on with the present one.

        Args:
            X: Rows, shape (n, n_features); or images, shape (n, height, width, channels).
            y: Targets, shape (n,); a regressor's also (n, n_outputs).
            sample_weight: Weights of the rows, shape (n,), as in `Sequential.fit`.

        Returns:
            The estimator itself.

        Raises:
            ValueError: If data or a parameter do not fit.
        """
        new = not (check_bool("warm_start", self.warm_start) and hasattr(self, "model_"))
        rows, targets = self._labelled_rows(X, y, new)
        self._train(X, rows, targets, sample_weight, new, self.epochs)
        return self

    # What an estimator defines

    def _labelled_rows(self, X: Any, y: Any, new: bool) -> tuple[Array, Array]:
        """Checks the data; returns X as a matrix, and y as numbers."""
        raise NotImplementedError(f"{type(self).__name__} does not define `_labelled_rows`")

    def _count_outputs(self, targets: Array) -> int:
        """Returns the number of outputs that a model for these targets has."""
        raise NotImplementedError(f"{type(self).__name__} does not define `_count_outputs`")

    def _check_model(self, model: Any, outputs: int) -> None:
        """Raises ValueError unless the model has so many outputs."""
        if model.output_shape[1:] != (outputs,):
            raise ValueError(
                f"`model` must have {outputs} outputs a row. "
                f"It returned a model with output shape {model.output_shape}"
            )

    def _loss_for(self, model: Any) -> str:
        """Returns the loss of a model where none is asked for."""
        raise NotImplementedError(f"{type(self).__name__} does not define `_loss_for`")

    def _as_loss_takes(self, targets: Array, model: Any) -> Array:  # noqa: ARG002
        """Returns targets in the form that the loss of the model takes."""
        return targets

    # Training and prediction

    def _train(
        self, X: Any, rows: Array, targets: Array, sample_weight: Any, new: bool, epochs: int
    ) -> None:
        if sample_weight is not None and not np.any(np.asarray(sample_weight)):
            raise ValueError("`sample_weight` must contain at least one non-zero number.")
        if new:
            seed = check_random_state(self.random_state).randint(2**31, size=4)
            random, shape = np.random.default_rng(seed), self._row_shape(X, rows.shape[1])
        else:
            random, shape = self._generator, self._shape
        with drawing_from(random):
            model: Any = (
                self._make_model(shape, self._count_outputs(targets)) if new else self.model_
            )
            history = model.fit(
                rows.reshape(-1, *shape),
                self._as_loss_takes(targets, model),
                batch_size=self.batch_size,
                epochs=epochs,
                verbose=self.verbose,
                callbacks=copy.deepcopy(self.callbacks),
                validation_split=self.validation_split,
                sample_weight=sample_weight,
            )
        if new:
            self.model_, self.history_ = model, {}
            self._shape, self._generator = shape, random
        for name, values in history.history.items():
            self.history_.setdefault(name, []).extend(values)

    def _predicted(self, X: Any) -> Array:
        """Returns the model's outputs."""
        check_is_fitted(self, "model_")
        rows = validate_data(self, _as_matrix(X), reset=False, dtype=_INPUT_TYPES)
        outputs: Array = self.model_.predict(rows.reshape(-1, *self._shape), verbose=0)
        return outputs.astype(np.float64)  # float32 probabilities do not sum to 1 well enough

    def _row_shape(self, X: Any, features: int) -> Shape:
        """Returns the shape of a row for the network: as asked for, or as it came."""
        if self.input_shape is None:
            return tuple(X.shape[1:]) if _has_more_axes(X) else (features,)
        shape = tuple(check_integer("input_shape", size, 1) for size in self.input_shape)
        if math.prod(shape) != features:
            raise ValueError(
                f"`input_shape` must be a shape of {features} numbers, which is what a row of X has. "
                f"Received: input_shape={self.input_shape!r}"
            )
        return shape

    # The model

    def _make_model(self, input_shape: Shape, outputs: int) -> Model:
        """Returns a new model, built and compiled."""
        name = type(self).__name__
        if self.model is None:
            refuse_unsupported(
                f"{name} without a `model`", {"model_params": (self.model_params, None)}
            )
            model = self._default_model(input_shape, outputs)
        else:
            refuse_unsupported(
                f"{name} with a `model`",
                {key: (getattr(self, key), default) for key, default in _DEFAULTS.items()},
            )
            model = self.model(input_shape, outputs, **(self.model_params or {}))
        if not isinstance(model, Model):
            raise ValueError(f"`model` must return a convlet model. It returned: {model!r}")
        if not model.built:
            model.build((None, *input_shape))
        self._check_model(model, outputs)
        self._compile(model)
        return model

    def _default_model(self, input_shape: Shape, outputs: int) -> Model:
        """Returns a ConvNet for images, of two axes or three, and an MLP for all else."""
        model = Sequential([layers.Input(input_shape)])
        if len(input_shape) == 2:
            model.add(layers.Reshape((*input_shape, 1)))
        if len(input_shape) in {2, 3}:
            for filters in self.filters:
                model.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
                if min(side or 1 for side in model.output_shape[1:3]) > 1:
                    model.add(layers.MaxPooling2D())
        if len(input_shape) > 1:
            model.add(layers.Flatten())
        for units in self.hidden:
            model.add(layers.Dense(units, activation="relu"))
        if self.dropout:
            model.add(layers.Dropout(self.dropout))
        model.add(layers.Dense(outputs, activation=self._activation))
        return model

    def _compile(self, model: Any) -> None:
        """Compiles a model, unless the caller's function has done so."""
        if model.compiled:
            names = ("optimizer", "learning_rate", "loss", "metrics")
            refuse_unsupported(
                f"{type(self).__name__} with a compiled `model`",
                {name: (getattr(self, name), None) for name in names},
            )
            return
        # A new one: training must not change a parameter of the estimator.
        given = optimizers.get("adam" if self.optimizer is None else self.optimizer)
        config = given.get_config()
        if self.learning_rate is not None:
            config["learning_rate"] = self.learning_rate
        loss = self._loss_for(model) if self.loss is None else self.loss
        model.compile(type(given).from_config(config), loss, metrics=copy.deepcopy(self.metrics))


class ConvNetClassifier(ClassifierMixin, _ConvNet):  # type: ignore[misc]
    """A convolutional network, or a multi-layer perceptron, as a classifier of scikit-learn.

    It works in pipelines, searches and cross-validation, in threads and processes, and can be
    cloned and pickled. Of joblib's processes (loky) each uses as many threads as joblib allots it.
    X is taken as it is: scale it, for instance to values from 0 to 1.

    Args:
        model: Function `model(input_shape, outputs, **model_params)` that returns a model, compiled
            or not, for rows of shape `input_shape`. Its outputs are probabilities, one for each
            class; or for two classes a single one, that of the second. `None` for a default: for
            images a convolution and 2x2 pooling for each of `filters`; then for each of `hidden` a
            dense layer, dropout, and a dense layer with one output per class.
        model_params: Dictionary of further arguments of `model`.
        input_shape: Shape of a row for the network, for instance `(28, 28, 1)`, into which the
            features are put in C order; `(28, 28)` is an image of one channel for the default
            network. `None` for the shape that the rows of X have.
        filters: Numbers of 3x3 filters of the default network; not looked at unless rows are images.
        hidden: Numbers of units of its dense layers.
        dropout: Share of the units that are dropped before its last layer.
        optimizer: Name or instance, of which each training uses a copy; `None` for Adam.
        learning_rate: Learning rate or schedule instead of the optimizer's.
        loss: Name, instance or function; `None` for the cross-entropy.
        metrics: List of names or instances whose values `history_` shall have.
        batch_size: Rows per step.
        epochs: Number of epochs of `fit`.
        validation_split: Share of the rows, taken from the end, to validate on.
        callbacks: List of callbacks, of which each training uses copies.
        verbose: 0 for silence, 1 or "auto" for a progress bar, 2 for a line per epoch.
        warm_start: Whether a second `fit` goes on with the trained model.
        random_state: Integer or `RandomState` for initial weights, the order of rows and dropout;
            `None` to draw from numpy's legacy generator.

    Attributes:
        classes_: The class labels, sorted.
        model_: The trained `convlet.Model`.
        history_: Dictionary from `"loss"` and others to their values, one for each epoch.
        n_features_in_: Number of features.
        feature_names_in_: Names of the features, if X has some that are all strings.
    """

    _activation = "softmax"

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Trains for one epoch, a new model or the present one.

        Args:
            X: Rows or images, as in `fit`.
            y: Class labels, shape (n,).
            classes: All class labels there will ever be; needed in the first call only.
            sample_weight: Weights of the rows, shape (n,).

        Returns:
            The estimator itself.

        Raises:
            ValueError: If data or a parameter do not fit, or classes are missing or others than
                those of the first call.
        """
        new = not hasattr(self, "model_")
        if new and classes is None:
            raise ValueError("`classes` must be passed on the first call to partial_fit.")
        rows, targets = self._labelled_rows(X, y, new, classes)
        self._train(X, rows, targets, sample_weight, new, 1)
        return self

    def predict(self, X: Any) -> Array:
        """Returns the most probable class of each row.

        Args:
            X: Rows or images, as in `fit`.

        Returns:
            Class labels, shape (n,).

        Raises:
            ValueError: If X does not fit.
        """
        indices = self.predict_proba(X).argmax(axis=1)
        labels: Array = self.classes_[indices]
        return labels

    def predict_proba(self, X: Any) -> Array:
        """Returns the probabilities of the classes.

        Args:
            X: Rows or images, as in `fit`.

        Returns:
            float64, shape (n, n_classes), in the order of `classes_`; each row's sum is 1.

        Raises:
            ValueError: If X does not fit.
        """
        outputs: Array = self._predicted(X).astype(
            np.float64
        )  # float32 does not sum to 1 well enough
        if outputs.shape[1] < len(self.classes_):
            return np.hstack([1 - outputs, outputs])
        outputs /= outputs.sum(axis=1, keepdims=True)
        return outputs

    def _labelled_rows(self, X: Any, y: Any, new: bool, classes: Any = None) -> tuple[Array, Array]:
        rows, labels = validate_data(self, _as_matrix(X), y, reset=new, dtype=_INPUT_TYPES)
        check_classification_targets(labels)
        known: Array = (
            self.classes_ if not new else np.unique(labels if classes is None else classes)
        )
        if classes is not None and not np.array_equal(known, np.unique(classes)):
            raise ValueError(
                f"`classes` must be those of the first call. Received: {classes}, not {known}"
            )
        if len(known) < 2:
            raise ValueError(f"A classifier needs two classes or more. `y` has 1 class: {known}")
        unknown = np.setdiff1d(labels, known)
        if len(unknown):
            raise ValueError(f"`y` has labels that are not among the classes {known}: {unknown}")
        self.classes_: Array = known
        return rows, np.searchsorted(known, labels)

    def _count_outputs(self, targets: Array) -> int:  # noqa: ARG002
        return len(self.classes_)

    def _check_model(self, model: Any, outputs: int) -> None:
        if outputs != 2 or model.output_shape[1:] != (1,):
            super()._check_model(model, outputs)

    def _loss_for(self, model: Any) -> str:
        one_of_two = len(self.classes_) == 2 and model.output_shape[1:] == (1,)
        return "binary_crossentropy" if one_of_two else "sparse_categorical_crossentropy"

    def _compile(self, model: Any) -> None:
        super()._compile(model)
        if not losses.is_automatic(model.loss):
            from_logits = getattr(losses.get(model.loss), "from_logits", False)
            refuse_unsupported("ConvNetClassifier", {"from_logits": (from_logits, False)})

    def _as_loss_takes(self, targets: Array, model: Any) -> Array:
        width, loss = model.output_shape[-1], model.loss
        if width < len(self.classes_) or losses.is_automatic(loss) or losses.get(loss).SPARSE:
            return targets
        return to_categorical(targets, width)


class ConvNetRegressor(RegressorMixin, _ConvNet):  # type: ignore[misc]
    """A convolutional network, or a multi-layer perceptron, as a regressor of scikit-learn.

    Parameters are those of `ConvNetClassifier`, but that `model` has one output for each target and
    `loss=None` stands for the mean squared error. Scale targets, too, if they are large:
    `sklearn.compose.TransformedTargetRegressor` does.

    Attributes:
        model_: The trained `convlet.Model`.
        history_: Dictionary from `"loss"` and others to their values, one for each epoch.
        n_features_in_: Number of features.
        feature_names_in_: Names of the features, if X has some that are all strings.
    """

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Trains for one epoch, a new model or the present one.

        Args:
            X: Rows or images, as in `fit`.
            y: Targets, shape (n,) or (n, n_outputs).
            sample_weight: Weights of the rows, shape (n,).

        Returns:
            The estimator itself.

        Raises:
            ValueError: If data or a parameter do not fit.
        """
        new = not hasattr(self, "model_")
        rows, targets = self._labelled_rows(X, y, new)
        self._train(X, rows, targets, sample_weight, new, 1)
        return self

    def predict(self, X: Any) -> Array:
        """Returns the predicted targets.

        Args:
            X: Rows or images, as in `fit`.

        Returns:
            float64, of the shape of the targets in training, (n,) or (n, n_outputs).

        Raises:
            ValueError: If X does not fit.
        """
        outputs = self._predicted(X)
        return outputs[:, 0] if self._is_flat else outputs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _labelled_rows(self, X: Any, y: Any, new: bool) -> tuple[Array, Array]:
        rows, targets = validate_data(
            self,
            _as_matrix(X),
            y,
            reset=new,
            dtype=_INPUT_TYPES,
            multi_output=True,
            y_numeric=True,
        )
        if new:
            self._is_flat = targets.ndim == 1
        return rows, targets

    def _count_outputs(self, targets: Array) -> int:
        return 1 if self._is_flat else targets.shape[1]

    def _loss_for(self, model: Any) -> str:  # noqa: ARG002
        return "mean_squared_error"


def _has_more_axes(X: Any) -> bool:
    """Whether X are images, or other rows of more than one axis."""
    return getattr(X, "ndim", 2) > 2


def _as_matrix(X: Any) -> Any:
    """Returns images as a matrix, which scikit-learn's own checks take; all else as it is."""
    return np.asarray(X).reshape(len(X), -1) if _has_more_axes(X) else X
