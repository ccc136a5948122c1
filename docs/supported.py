"""Writes supported.md: what convlet has, read off the code, and what Keras has besides.

    python docs/supported.py

A test fails while the page is not what this script would write.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import convlet

PAGE = Path(__file__).with_suffix(".md")

INTRODUCTION = """\
# What is supported

<!-- Written by `python docs/supported.py`; do not edit. -->

What is below has Keras's name, arguments and defaults (but `export` writes ONNX), and is found in the same place:
`convlet.layers.Dense` is `keras.layers.Dense`. "Only" tells of arguments that are accepted with one value (and `None`);
any other is refused by name. What else an argument can be is in the docstrings. Layers take the arguments of `Layer`
besides their own (`**kwargs`).

"Not there" tells what Keras {version} has and convlet has not.
"""

# Sections that list arguments, by name of the module.
SECTIONS = {
    "models": "Models",
    "layers": "Layers",
    "activations": "Activations",
    "initializers": "Initializers",
    "regularizers": "Regularizers",
    "constraints": "Constraints",
    "losses": "Losses",
    "metrics": "Metrics",
    "optimizers": "Optimizers",
    "optimizers.schedules": "Learning rate schedules",
    "callbacks": "Callbacks",
    "datasets": "Data sets",
    "utils": "Utilities",
}

# All public names of Keras: of the module "" itself, of its other modules, of its class Sequential.
KERAS_VERSION = "3.15"
KERAS = {
    "": """
        DTypePolicy FloatDTypePolicy Function Initializer Input InputSpec KerasTensor Layer Loss
        Metric Model Operation Optimizer Quantizer Regularizer RematScope Sequential StatelessScope
        SymbolicScope Variable activations applications backend callbacks config constraints
        datasets device distillation distribution dtype_policies export initializers layers
        losses metrics mixed_precision models name_scope ops optimizers preprocessing quantizers
        random regularizers remat saving tree utils version visualization wrappers
    """,
    "models": """
        Model Sequential clone_model load_model model_from_json save_model
    """,
    "Sequential": """
        add add_loss add_metric add_variable add_weight build build_from_config call compile
        compile_from_config compiled_loss compiled_metrics compute_dtype compute_loss compute_mask
        compute_metrics compute_output_shape compute_output_spec count_params
        distribute_reduction_method distribute_strategy dtype dtype_policy evaluate export fit
        from_config get_build_config get_compile_config get_config get_layer get_metrics_result
        get_quantization_layer_structure get_state_tree get_weights input input_dtype input_shape
        input_spec inputs jit_compile layers load_own_variables load_weights loss losses
        make_predict_function make_test_function make_train_function metrics metrics_names
        metrics_variables non_trainable_variables non_trainable_weights output output_shape outputs
        path pop predict predict_on_batch predict_step quantization_mode quantize quantized_build
        quantized_call rematerialized_call reset_metrics run_eagerly save save_own_variables
        save_weights set_state_tree set_weights stateless_call stateless_compute_loss summary
        supports_masking symbolic_call test_on_batch test_step to_json train_on_batch train_step
        trainable trainable_variables trainable_weights variable_dtype variables weights
    """,
    "layers": """
        Activation ActivityRegularization AdaptiveAveragePooling1D AdaptiveAveragePooling2D
        AdaptiveAveragePooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D Add
        AdditiveAttention AlphaDropout Attention AugMix AutoContrast Average AveragePooling1D
        AveragePooling2D AveragePooling3D AvgPool1D AvgPool2D AvgPool3D BatchNormalization
        Bidirectional CategoryEncoding CenterCrop Concatenate
        ContrastLimitedAdaptiveHistogramEqualization Conv1D Conv1DTranspose Conv2D Conv2DTranspose
        Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Convolution1D Convolution1DTranspose
        Convolution2D Convolution2DTranspose Convolution3D Convolution3DTranspose Cropping1D
        Cropping2D Cropping3D CutMix Dense DepthwiseConv1D DepthwiseConv2D Discretization Dot
        Dropout ELU EinsumDense Embedding Equalization Flatten FlaxLayer GRU GRUCell GaussianDropout
        GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D
        GlobalAvgPool1D GlobalAvgPool2D GlobalAvgPool3D GlobalMaxPool1D GlobalMaxPool2D
        GlobalMaxPool3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization
        GroupQueryAttention HashedCrossing Hashing Identity Input InputLayer InputSpec IntegerLookup
        JaxLayer LSTM LSTMCell Lambda Layer LayerNormalization LeakyReLU Masking MaxNumBoundingBoxes
        MaxPool1D MaxPool2D MaxPool3D MaxPooling1D MaxPooling2D MaxPooling3D Maximum MelSpectrogram
        Minimum MixUp MultiHeadAttention Multiply Normalization PReLU Permute Pipeline
        RMSNormalization RNN RandAugment RandomBrightness RandomColorDegeneration RandomColorJitter
        RandomContrast RandomCrop RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur
        RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization RandomRotation
        RandomSaturation RandomSharpness RandomShear RandomTranslation RandomZoom ReLU RepeatVector
        Rescaling Reshape Resizing ReversibleEmbedding STFTSpectrogram SeparableConv1D
        SeparableConv2D SeparableConvolution1D SeparableConvolution2D SimpleRNN SimpleRNNCell
        Softmax Solarization SpatialDropout1D SpatialDropout2D SpatialDropout3D
        SpectralNormalization StackedRNNCells StringLookup Subtract TFSMLayer TextVectorization
        TimeDistributed TorchModuleWrapper UnitNormalization UpSampling1D UpSampling2D UpSampling3D
        Wrapper ZeroPadding1D ZeroPadding2D ZeroPadding3D add average concatenate deserialize dot
        maximum minimum multiply serialize subtract
    """,
    "activations": """
        celu deserialize elu exponential gelu get glu hard_shrink hard_sigmoid hard_silu hard_swish
        hard_tanh leaky_relu linear log_sigmoid log_softmax mish relu relu6 selu serialize sigmoid
        silu soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid sparsemax squareplus
        swish tanh tanh_shrink threshold
    """,
    "initializers": """
        Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity IdentityInitializer
        Initializer LecunNormal LecunUniform Ones Orthogonal OrthogonalInitializer RandomNormal
        RandomUniform STFT STFTInitializer TruncatedNormal VarianceScaling Zeros constant
        deserialize get glorot_normal glorot_uniform he_normal he_uniform identity lecun_normal
        lecun_uniform ones orthogonal random_normal random_uniform serialize stft truncated_normal
        variance_scaling zeros
    """,
    "regularizers": """
        L1 L1L2 L2 OrthogonalRegularizer Regularizer deserialize get l1 l1_l2 l2
        orthogonal_regularizer serialize
    """,
    "constraints": """
        Constraint MaxNorm MinMaxNorm NonNeg UnitNorm deserialize get max_norm min_max_norm non_neg
        serialize unit_norm
    """,
    "losses": """
        BinaryCrossentropy BinaryFocalCrossentropy CTC CategoricalCrossentropy
        CategoricalFocalCrossentropy CategoricalGeneralizedCrossEntropy CategoricalHinge Circle
        CosineSimilarity Dice Hinge Huber KLDivergence LogCosh Loss MeanAbsoluteError
        MeanAbsolutePercentageError MeanSquaredError MeanSquaredLogarithmicError Poisson
        SparseCategoricalCrossentropy SquaredHinge Tversky binary_crossentropy
        binary_focal_crossentropy categorical_crossentropy categorical_focal_crossentropy
        categorical_generalized_cross_entropy categorical_hinge circle cosine_similarity ctc
        deserialize dice get hinge huber kl_divergence log_cosh mean_absolute_error
        mean_absolute_percentage_error mean_squared_error mean_squared_logarithmic_error poisson
        serialize sparse_categorical_crossentropy squared_hinge tversky
    """,
    "metrics": """
        AUC Accuracy BinaryAccuracy BinaryCrossentropy BinaryIoU CategoricalAccuracy
        CategoricalCrossentropy CategoricalHinge ConcordanceCorrelation CosineSimilarity F1Score
        FBetaScore FalseNegatives FalsePositives Hinge IoU KLDivergence LogCoshError Mean
        MeanAbsoluteError MeanAbsolutePercentageError MeanIoU MeanMetricWrapper MeanSquaredError
        MeanSquaredLogarithmicError Metric OneHotIoU OneHotMeanIoU PearsonCorrelation Poisson
        Precision PrecisionAtRecall R2Score Recall RecallAtPrecision RootMeanSquaredError
        SensitivityAtSpecificity SparseCategoricalAccuracy SparseCategoricalCrossentropy
        SparseTopKCategoricalAccuracy SpecificityAtSensitivity SquaredHinge Sum
        TopKCategoricalAccuracy TrueNegatives TruePositives binary_accuracy binary_crossentropy
        binary_focal_crossentropy categorical_accuracy categorical_crossentropy
        categorical_focal_crossentropy categorical_hinge concordance_correlation deserialize get
        hinge huber kl_divergence log_cosh mean_absolute_error mean_absolute_percentage_error
        mean_squared_error mean_squared_logarithmic_error pearson_correlation poisson serialize
        sparse_categorical_accuracy sparse_categorical_crossentropy
        sparse_top_k_categorical_accuracy squared_hinge top_k_categorical_accuracy
    """,
    "optimizers": """
        Adadelta Adafactor Adagrad Adam AdamW Adamax Ftrl Lamb Lion LossScaleOptimizer
        MultiOptimizer Muon Nadam Optimizer OptimizerMap RMSprop SGD ScheduleFreeAdamW deserialize
        get schedules serialize
    """,
    "optimizers.schedules": """
        CosineDecay CosineDecayRestarts ExponentialDecay InverseTimeDecay LearningRateSchedule
        PiecewiseConstantDecay PolynomialDecay deserialize serialize
    """,
    "callbacks": """
        BackupAndRestore CSVLogger Callback CallbackList EarlyStopping History LambdaCallback
        LearningRateScheduler ModelCheckpoint OrbaxCheckpoint ProgbarLogger ReduceLROnPlateau
        RemoteMonitor SwapEMAWeights TensorBoard TerminateOnNaN
    """,
    "datasets": """
        boston_housing california_housing cifar10 cifar100 fashion_mnist imdb mnist reuters
    """,
    "utils": """
        Config CustomObjectScope FeatureSpace Progbar PyDataset Sequence array_to_img
        audio_dataset_from_directory bounding_boxes clear_session custom_object_scope
        deserialize_keras_object disable_interactive_logging enable_interactive_logging
        get_custom_objects get_file get_registered_name get_registered_object get_source_inputs
        image_dataset_from_directory img_to_array is_interactive_logging_enabled is_keras_tensor
        load_img model_to_dot normalize pack_x_y_sample_weight pad_sequences plot_model
        register_keras_serializable save_img serialize_keras_object set_random_seed split_dataset
        standardize_dtype text_dataset_from_directory timeseries_dataset_from_array to_categorical
        unpack_x_y_sample_weight
    """,
    "saving": """
        CustomObjectScope KerasFileEditor custom_object_scope deserialize_keras_object
        get_custom_objects get_registered_name get_registered_object load_model load_weights
        register_keras_serializable save_model save_weights serialize_keras_object
    """,
    "config": """
        backend disable_flash_attention disable_interactive_logging disable_traceback_filtering
        dtype_policy enable_flash_attention enable_interactive_logging enable_traceback_filtering
        enable_unsafe_deserialization epsilon floatx image_data_format is_flash_attention_enabled
        is_interactive_logging_enabled is_nnx_enabled is_traceback_filtering_enabled max_epochs
        max_steps_per_epoch set_backend set_dtype_policy set_epsilon set_floatx
        set_image_data_format set_max_epochs set_max_steps_per_epoch
    """,
    "backend": """
        backend clear_session epsilon floatx get_uid image_data_format is_float_dtype is_int_dtype
        is_keras_tensor result_type set_epsilon set_floatx set_image_data_format standardize_dtype
    """,
    "random": """
        SeedGenerator beta binomial categorical dropout gamma normal randint shuffle
        truncated_normal uniform
    """,
    "preprocessing.image": """
        array_to_img img_to_array load_img save_img smart_resize
    """,
    "dtype_policies": """
        AWQDTypePolicy DTypePolicy DTypePolicyMap FloatDTypePolicy GPTQDTypePolicy Int4DTypePolicy
        QuantizedDTypePolicy QuantizedFloat8DTypePolicy deserialize get serialize
    """,
    "mixed_precision": """
        DTypePolicy LossScaleOptimizer Policy dtype_policy global_policy set_dtype_policy
        set_global_policy
    """,
}


# Arguments of Keras that are missing, or were when this was written.
KERAS_ARGUMENTS = {
    "Sequential.add": "rebuild",
    "Sequential.export": "input_signature",
    "Sequential.pop": "rebuild",
    "Sequential.save_weights": "max_shard_size",
    "activations.deserialize": "custom_objects",
    "callbacks.CallbackList": "add_progbar",
    "constraints.deserialize": "custom_objects",
    "initializers.GlorotNormal": "input_axes output_axes",
    "initializers.GlorotUniform": "input_axes output_axes",
    "initializers.HeNormal": "input_axes output_axes",
    "initializers.HeUniform": "input_axes output_axes",
    "initializers.LecunNormal": "input_axes output_axes",
    "initializers.LecunUniform": "input_axes output_axes",
    "initializers.VarianceScaling": "input_axes output_axes",
    "initializers.deserialize": "custom_objects",
    "layers.InputLayer": "input_tensor",
    "layers.deserialize": "custom_objects",
    "losses.deserialize": "name custom_objects",
    "metrics.deserialize": "custom_objects",
    "metrics.sparse_top_k_categorical_accuracy": "from_sorted_ids",
    "optimizers.deserialize": "custom_objects",
    "optimizers.schedules.deserialize": "custom_objects",
    "regularizers.deserialize": "custom_objects",
    "utils.Progbar": "stateless_metrics",
}


def keras_names(place: str) -> list[str]:
    """Keras's public names in a module or in Sequential."""
    return KERAS[place].split()


def page() -> str:
    """The text of the whole page."""
    parts = [INTRODUCTION.format(version=KERAS_VERSION)]
    for place, title in SECTIONS.items():
        parts.append(f"## {title}\n\n`convlet.{place}`\n")
        parts.append(section(place))
        if place == "models":
            parts.append(methods())
    parts.append(other_modules())
    return "\n".join(parts)


def section(place: str) -> str:
    """One line for each thing in a module, with its other names, and the names it lacks."""
    module, of_keras = import_module(f"convlet.{place}"), keras_names(place)
    names_of: dict[int, list[str]] = {}
    for name in module.__all__:
        names_of.setdefault(id(getattr(module, name)), []).append(name)
    lines = []
    for names in names_of.values():
        value = getattr(module, names[0])
        first = getattr(value, "__name__", names[0])
        if isinstance(value, ModuleType):
            lines += data_set(names[0], value)
            continue
        names.sort(key=lambda name: (name != first, name))
        own = "" if set(names) & set(of_keras) else " Not in Keras."
        lines.append(f"- {entry(place, names[0], value, names[1:])}{own}")
    return "\n".join([*lines, *missing(of_keras, module.__all__)]) + "\n"


def data_set(name: str, module: ModuleType) -> list[str]:
    """The line of a data set; none for a module that is not one."""
    load_data = getattr(module, "load_data", None)
    return [] if load_data is None else [f"- {entry('datasets', f'{name}.load_data', load_data)}"]


def methods() -> str:
    """The methods and properties that Keras's Sequential has, too."""
    model, of_keras = convlet.Sequential, keras_names("Sequential")
    shared = [name for name in of_keras if name in dir(model())]
    functions = [name for name in shared if inspect.isroutine(getattr(model, name, None))]
    lines = [f"- {entry('Sequential', name, getattr(model, name))}" for name in functions]
    lines.append(f"\nProperties: {code(name for name in shared if name not in functions)}.")
    lines += missing(of_keras, shared)
    return "### `Sequential` and `Model`\n\n" + "\n".join(lines) + "\n"


def other_modules() -> str:
    """A table of the modules without a section, and the modules that convlet lacks."""
    lines = ["## Other modules\n", "| module | there | not there |", "| --- | --- | --- |"]
    for place in KERAS.keys() - SECTIONS.keys() - {"", "Sequential"}:
        names = import_module(f"convlet.{place}").__all__
        rest = (name for name in keras_names(place) if name not in names)
        lines.append(f"| `{place}` | {code(names)} | {code(rest)} |")
    lines[3:] = sorted(lines[3:])
    lines.append(
        "\n`convlet.ops` are the engine's kernels as functions of numpy arrays, not Keras's `ops`."
    )
    return "\n".join([*lines, *missing(keras_names(""), convlet.__all__)]) + "\n"


def missing(of_keras: Iterable[str], names: Iterable[str]) -> list[str]:
    """A paragraph, if there is anything to say, about what Keras has besides these names."""
    rest = sorted(set(of_keras) - set(names))
    return [f"\nNot there: {code(rest)}."] if rest else []


def code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def entry(place: str, name: str, value: Any, other_names: Iterable[str] = ()) -> str:
    """`name(arguments)`, its other names, arguments with a single value and lacking ones."""
    arguments = {
        parameter.name: parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in inspect.signature(value).parameters.values()
        if parameter.name != "self"
    }
    lacking = KERAS_ARGUMENTS.get(f"{place}.{name}", "").split()
    notes = {
        ", also ": list(other_names),
        ". Only ": [f"{argument}={only}" for argument, only in single_values(value).items()],
        ". Not there: ": [argument for argument in lacking if argument not in arguments],
    }
    text = f"`{name}{inspect.Signature(list(arguments.values()))}`"
    return text + "".join(f"{note}{code(names)}" for note, names in notes.items() if names) + "."


# ---- Arguments with a single value ---------------------------------------------------------------


def single_values(value: Any) -> dict[str, str]:
    """The arguments of a function or class that `refuse_unsupported` confines to one value."""
    names = {name: name for name in inspect.signature(value).parameters}
    if not isinstance(value, type):
        return dict(confined([value], names))
    return dict(confined([c.__init__ for c in value.__mro__ if "__init__" in vars(c)], names))


def confined(functions: list[Any], names: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Follows arguments through a function and all that it hands them on to, by reading its code.

    Args:
        functions: The function; where it is the `__init__` of a class, those of its bases, too.
        names: What the outermost caller calls the function's arguments.

    Yields:
        Name of an argument as in `names`, and its only value.
    """
    function, *bases = functions
    if not inspect.isfunction(function) or not function.__module__.startswith("convlet."):
        return
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        called = ast.unparse(call.func)
        if called == "refuse_unsupported":
            yield from ((names[name], only) for name, only in refused(call) if name in names)
        elif called == "super().__init__":
            yield from confined(
                bases, handed_on(bases[0], [ast.Name("self"), *call.args], call, names)
            )
        elif inspect.isfunction(callee := function.__globals__.get(called)) and callee != function:
            handed = handed_on(callee, call.args, call, names)
            yield from confined([callee], handed) if handed else ()


def refused(call: ast.Call) -> Iterator[tuple[str, str]]:
    """Reads `refuse_unsupported(owner, {"argument": (value, only)})`."""
    table = call.args[1]
    if isinstance(table, ast.Dict):
        for key, value in zip(table.keys, table.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(value, ast.Tuple):
                yield key.value, ast.unparse(value.elts[1])


def handed_on(
    callee: Any, arguments: list[ast.expr], call: ast.Call, names: dict[str, str]
) -> dict[str, str]:
    """What the outermost caller calls the arguments of a function, where a call hands them on."""
    by_position = itertools.takewhile(lambda node: not isinstance(node, ast.Starred), arguments)
    by_name = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg is not None}
    bound = inspect.signature(callee).bind_partial(*by_position, **by_name).arguments
    return {
        name: names[node.id]
        for name, node in bound.items()
        if isinstance(node, ast.Name) and node.id in names
    }


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
