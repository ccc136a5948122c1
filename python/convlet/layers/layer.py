"""Layer: the base class of the layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from convlet import _native, dtype_policies, regularizers
from convlet.data_adapter import as_array, as_rows
from convlet.initializers import InitializerFunction
from convlet.layers.keras_tensor import BatchShape, KerasTensor, is_symbolic
from convlet.network import BoundNetwork, Tracer
from convlet.utils.naming import auto_name
from convlet.utils.placeholders import placeholder
from convlet.utils.validation import check_bool, check_integer
from convlet.variables import Variable, assign_all, copies

if TYPE_CHECKING:
    from convlet.constraints import Constraint
    from convlet.regularizers import Regularizer

Shape: TypeAlias = tuple[int, ...]
NativeOps: TypeAlias = list[tuple[str, dict[str, Any]]]


class Layer:
    """Base class of the layers.

    Called on an array a layer computes; called on a symbolic tensor it returns another one, from
    which `convlet.Model` can be made.

    A subclass says in `native_ops` what the compiled code has to do; shapes, weights and execution
    follow from that.

    Args:
        trainable: Whether training changes the weights.
        dtype: `"float32"`, `"mixed_bfloat16"` or another form of a dtype policy, see
            `convlet.dtype_policies.get`; `None` for `convlet.config.dtype_policy()`.
        name: Name, unique within a model; `None` for an automatic one.
        input_shape: Shape of one row of the input, for the first layer of a model.
        input_dim: The same for rows that are vectors: their length.
        activity_regularizer: Penalty on the output, a mean over the batch: `L1`, `L2` or `L1L2` of
            `convlet.regularizers`; `None` for none.
        **kwargs: Nothing; a name that is not above is refused.

    Raises:
        ValueError: If an argument is unknown or has no meaning.
    """

    # Whether it is called on a list of tensors.
    TAKES_LIST: ClassVar[bool] = False
    # What `training=None` means in a call.
    TRAINING_BY_DEFAULT: ClassVar[bool] = False
    KERAS_MODULE: ClassVar[str] = "keras.layers"  # what files call the module of its class

    def __init__(
        self,
        *,
        trainable: bool = True,
        dtype: Any = None,
        name: str | None = None,
        input_shape: Sequence[int] | None = None,
        input_dim: int | None = None,
        activity_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        class_name = type(self).__name__
        if kwargs:
            raise ValueError(f"Unrecognized keyword arguments passed to {class_name}: {kwargs}")
        _check_name(name)
        self._dtype_policy = dtype_policies.get(dtype)
        if input_dim is not None:
            input_shape = (check_integer("input_dim", input_dim, 1),)
        self.input_shape_argument = (
            None if input_shape is None else row_shape("input_shape", input_shape)
        )
        self.activity_regularizer = _activity_regularizer(class_name, activity_regularizer)
        self._trainable = check_bool("trainable", trainable)
        self.name = auto_name(class_name) if name is None else name
        self.built = False
        self._weights: list[Variable] = []
        # What it returned when it was called on symbolic tensors.
        self._calls: list[KerasTensor] = []
        # How often it was called as in training: random masks depend on it.
        self._training_calls = 0
        # Path of the model it is built in, which begins the path of its variables.
        self._scope = ""

    # What a subclass defines

    def native_ops(self, input_shape: Shape) -> NativeOps:
        """Returns the operations of the compiled code, first to last, each on the one before it.

        Args:
            input_shape: Shape of one row of the input.

        Returns:
            A list of names and attributes.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define `native_ops`")

    def initializers(self) -> Mapping[str, InitializerFunction]:
        """Returns the initializer of each weight, by the name the compiled code gives it."""
        return {}

    def regularizers(self) -> Mapping[str, Regularizer | None]:
        """Returns the penalties on weights, by the same names."""
        return {}

    def constraints(self) -> Mapping[str, Constraint | None]:
        """Returns the bounds of weights, by the same names."""
        return {}

    # Structure

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Creates the weights.

        Args:
            input_shape: Shape of the input, batch axis first: `(None, 28, 28, 1)`.

        Raises:
            ValueError: If the layer cannot take such an input.
        """
        if self.built:
            self.compute_output_shape(input_shape)
            return
        _, parameters = self._infer(input_shape)
        self._check_rules(parameters)
        initializers = self.initializers()
        self._weights = [
            self._new_variable(name, shape, initializers[name], is_trained)
            for name, shape, is_trained in parameters
        ]
        self.built = True

    def set_scope(self, scope: str) -> None:
        """Sets what the paths of variables made from now on begin with."""
        self._scope = scope

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> BatchShape:
        """Returns the shape of the output, batch axis first.

        Args:
            input_shape: Shape of the input, batch axis first.

        Raises:
            ValueError: If the layer cannot take such an input.
        """
        shape, parameters = self._infer(input_shape)
        self._check_weights(parameters, input_shape)
        return (input_shape[0], *shape)

    def __call__(self, inputs: Any, training: bool | None = None) -> Any:
        """Applies the layer to an array or a symbolic tensor.

        Args:
            inputs: Array of the shape that the layer takes, batch axis first; or a symbolic tensor.
            training: Whether to do what the layer does in training; as one batch.

        Returns:
            A float32 array, or a symbolic tensor.

        Raises:
            ValueError: If the layer cannot take such an input.
        """
        if is_symbolic(inputs):
            return self._call_symbolically(inputs)
        array = as_array("inputs", inputs)
        self.build((None, *array.shape[1:]))
        network = BoundNetwork(self, array.shape[1:])
        rows = as_rows("inputs", array, network.input_shape)
        if self.TRAINING_BY_DEFAULT if training is None else training:
            return network.predict_as_in_training(rows, self._next_training_call())
        return network.predict(rows)

    @property
    def output(self) -> KerasTensor:
        """What the layer returned when it was first called on a symbolic tensor."""
        return self._first_call("output")

    @property
    def input(self) -> KerasTensor | list[KerasTensor]:
        """What the layer was first called on, of symbolic tensors."""
        inputs = list(self._first_call("input").inputs)
        return inputs[0] if len(inputs) == 1 else inputs

    def trace(self, tracer: Tracer, inputs: Sequence[int]) -> int:
        """Writes down the operations of the layer.

        Args:
            tracer: Where to.
            inputs: Numbers of the tensors that the layer is called on.

        Returns:
            Number of the tensor that it returns.
        """
        ops = self.native_ops(tracer.shapes[inputs[0]])
        if self.activity_regularizer is not None:
            penalty = self.activity_regularizer.native_attributes()
            ops = [*ops, ("activity_regularization", penalty)]
        return tracer.add(self, ops, inputs)

    def leaves(self, trainable: bool = True) -> list[tuple[Layer, bool]]:
        """Returns the layers that do the work, and whether training may change their weights.

        Args:
            trainable: Whether what this layer is a part of is trainable.
        """
        return [(self, trainable and self.trainable)]

    # Precision

    @property
    def dtype_policy(self) -> dtype_policies.DTypePolicy:
        """In what precision the layer computes."""
        return self._dtype_policy

    @property
    def compute_dtype(self) -> str:
        """To what the layer rounds the operands of its products, if it computes any."""
        return self._dtype_policy.compute_dtype

    @property
    def variable_dtype(self) -> str:
        """Type of the weights."""
        return self._dtype_policy.variable_dtype

    @property
    def dtype(self) -> str:
        """The same as `variable_dtype`."""
        return self.variable_dtype

    @property
    def operands(self) -> dict[str, Any]:
        """What the policy adds to the attributes of an operation that multiplies by a kernel."""
        return {"bfloat16": True} if self.compute_dtype == "bfloat16" else {}

    # Weights

    @property
    def weights(self) -> list[Variable]:
        """All variables, kernel before bias."""
        return list(self._weights)

    @property
    def variables(self) -> list[Variable]:
        return self.weights

    @property
    def trainable_weights(self) -> list[Variable]:
        if not self.trainable:
            return []
        return [variable for variable in self.weights if variable.trainable]

    @property
    def trainable_variables(self) -> list[Variable]:
        return self.trainable_weights

    @property
    def non_trainable_weights(self) -> list[Variable]:
        if not self.trainable:
            return self.weights
        return [variable for variable in self.weights if not variable.trainable]

    @property
    def non_trainable_variables(self) -> list[Variable]:
        return self.non_trainable_weights

    @property
    def losses(self) -> list[float]:
        """The penalties on the weights, which join the loss."""
        return [
            variable.regularizer(variable.value)
            for variable in self.trainable_weights
            if variable.regularizer is not None
        ]

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = check_bool("trainable", value)
        for variable in self._weights:
            if variable.is_trained:
                variable.trainable = self._trainable

    def get_weights(self) -> list[npt.NDArray[np.float32]]:
        """Returns copies of the values of all variables, in the order of `weights`.

        While another thread trains them, they are the weights of a step that is finished.
        """
        return copies(self.weights)

    def set_weights(self, weights: Sequence[npt.ArrayLike]) -> None:
        """Sets the values of all variables.

        Args:
            weights: Arrays as `get_weights` returns them.

        Raises:
            ValueError: If their number or a shape is another one, or something is not a real
                number; nothing is set then.
        """
        variables = self.weights
        if len(weights) != len(variables):
            raise ValueError(
                f"You called `set_weights(weights)` on layer '{self.name}' with a weight list of "
                f"length {len(weights)}, but the layer was expecting {len(variables)} weights."
            )
        arrays = [np.asarray(weight) for weight in weights]
        for variable, array in zip(variables, arrays, strict=True):
            if variable.shape != array.shape:
                raise ValueError(
                    f"Layer {self.name} weight shape {variable.shape} is not compatible with "
                    f"provided weight shape {array.shape}."
                )
        assign_all(zip(variables, arrays, strict=True))

    def count_params(self) -> int:
        """Returns the number of values in all variables.

        Raises:
            ValueError: If there are no variables yet.
        """
        if not self.built:
            raise ValueError(
                f"You tried to call `count_params` on layer '{self.name}', but the layer isn't "
                "built. You can build it manually via: `layer.build(input_shape)`."
            )
        return sum(variable.size for variable in self.weights)

    # Configuration

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal layer, with other weights."""
        config = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": self.dtype_policy.name,  # which every Keras 3 knows
        }
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Layer:
        """Makes a layer from what `get_config` returned."""
        return cls(**config)

    def __getstate__(self) -> dict[str, Any]:
        # A copy has weights of its own, and no place in a model, as in Keras.
        return {**vars(self), "_calls": []}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"

    # Helpers

    def _first_call(self, what: str) -> KerasTensor:
        if not self._calls:
            raise AttributeError(
                f"The layer {self.name} has never been called and thus has no defined {what}."
            )
        return self._calls[0]

    def _call_symbolically(self, inputs: Any) -> KerasTensor:
        is_list = isinstance(inputs, (list, tuple))
        tensors: list[Any] = list(inputs) if is_list else [inputs]
        if not all(isinstance(tensor, KerasTensor) for tensor in tensors):
            raise ValueError(
                f"Layer '{self.name}' can be called on symbolic tensors or on arrays, not on both "
                f"at once. Received: inputs={inputs}"
            )
        if not self.TAKES_LIST and len(tensors) != 1:
            raise ValueError(
                f'Layer "{self.name}" expects 1 input(s), but it received {len(tensors)} input '
                f"tensors. Inputs received: {tensors}"
            )
        shapes = [tensor.shape for tensor in tensors]
        shape: Any = shapes if self.TAKES_LIST and is_list else shapes[0]
        self.build(shape)
        output_shape = self.compute_output_shape(shape)
        output = KerasTensor(output_shape, self, tensors, is_list, len(self._calls))
        self._calls.append(output)
        return output

    def _infer(
        self, *input_shapes: Sequence[int | None]
    ) -> tuple[Shape, list[tuple[str, Shape, bool]]]:
        """Returns the row shape of the output, and names, shapes and kinds of the weights."""
        shapes = [without_batch_axis(input_shape) for input_shape in input_shapes]
        weights: list[tuple[str, Shape, bool]] = []
        try:
            for op, attributes in self.native_ops(shapes[0]):
                shape, parameters = _native.core.infer_op(op, attributes, *shapes)
                shapes = [shape]
                weights += parameters
        except ValueError as error:
            shown = " and ".join(str(tuple(input_shape)) for input_shape in input_shapes)
            raise ValueError(
                f"Layer '{self.name}' cannot take an input of shape {shown}. {error}"
            ) from error
        return shapes[0], weights

    def _next_training_call(self) -> int:
        self._training_calls += 1
        return self._training_calls

    def _new_variable(
        self, name: str, shape: Shape, initializer: InitializerFunction, is_trained: bool
    ) -> Variable:
        value = placeholder(shape)
        if value is None:
            value = np.asarray(initializer(shape, dtype="float32"))
        if value.shape != shape:
            raise ValueError(
                f"The initializer of `{name}` of layer '{self.name}' returned an array of shape "
                f"{value.shape}. Expected shape {shape}"
            )
        path = f"{self._scope}{self.name}/{name}"
        variable = Variable(value, name, path, self._trainable and is_trained, is_trained)
        variable.regularizer = self.regularizers().get(name)
        variable.constraint = self.constraints().get(name)
        return variable

    def _check_rules(self, parameters: Sequence[tuple[str, Shape, bool]]) -> None:
        """Refuses penalties and bounds that a weight of that shape cannot have."""
        for name, shape, _ in parameters:
            regularizer = self.regularizers().get(name)
            constraint = self.constraints().get(name)
            if regularizer is not None:
                regularizer.check_shape(name, shape)
            if constraint is not None:
                constraint.native_attributes(shape)

    def _check_weights(
        self, parameters: Sequence[tuple[str, Shape, bool]], input_shape: Sequence[int | None]
    ) -> None:
        """Refuses an input for which the weights of a built layer would have other shapes."""
        if not self.built:
            return
        shapes = {variable.name: variable.shape for variable in self._weights}
        for name, shape, _ in parameters:
            if shapes[name] != shape:
                raise ValueError(
                    f"Input of shape {tuple(input_shape)} is incompatible with layer "
                    f"'{self.name}': its {name} has shape {shapes[name]}, "
                    f"and such an input needs {shape}"
                )


def row_shape(name: str, shape: Any) -> Shape:
    """Returns the shape of one row as a tuple of positive integers.

    Raises:
        ValueError: If it is not a sequence of positive integers.
    """
    if not isinstance(shape, Sequence) or isinstance(shape, str) or not shape:
        raise ValueError(
            f"`{name}` must be a tuple of positive integers, without the batch axis. "
            f"Received: {name}={shape!r}"
        )
    if None in shape:
        raise ValueError(
            f"Every dimension of `{name}` must be known. Received: {name}={tuple(shape)}"
        )
    return tuple(check_integer(name, dimension, 1) for dimension in shape)


def without_batch_axis(shape: Any) -> Shape:
    """Returns a batch shape without its first axis.

    Raises:
        ValueError: If another dimension is not known.
    """
    if not isinstance(shape, Sequence) or isinstance(shape, str) or len(shape) < 2:
        raise ValueError(
            "`input_shape` must be a tuple with the batch axis first, such as (None, 28, 28, 1). "
            f"Received: input_shape={shape!r}"
        )
    rows = [dimension for dimension in shape[1:] if dimension is not None]
    if len(rows) != len(shape) - 1:
        raise ValueError(
            "Every dimension of `input_shape` but the first must be known. "
            f"Received: input_shape={tuple(shape)}"
        )
    return row_shape("input_shape", rows)


def _check_name(name: Any) -> None:
    if name is not None and (not isinstance(name, str) or "/" in name):
        raise ValueError(
            "Argument `name` must be a string and cannot contain character `/`. "
            f"Received: name={name} (of type {type(name)})"
        )


def _activity_regularizer(class_name: str, identifier: Any) -> Regularizer | None:
    regularizer = regularizers.get(identifier)
    if regularizer is not None and not set(regularizer.native_attributes()) <= {"l1", "l2"}:
        raise ValueError(
            f"{class_name} does not support `activity_regularizer={identifier!r}`; "
            "the supported ones are L1, L2 and L1L2"
        )
    return regularizer
