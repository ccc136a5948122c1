"""Configurations of other versions of Keras, made into those of convlet; and the way back.

`normalized` takes the configuration of a model as Keras 2 or 3 wrote it (or as somebody with bad
intentions did) and returns one whose classes convlet has and whose arguments their constructors
take. Nothing is created on the way, and nothing is imported: class names are looked up in the
public names of convlet's own modules, and `module` and `registered_name` are only compared.

`minimal` leaves out of a configuration what not every version of Keras 3 understands.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any, TypeAlias

from convlet.saveable import Saveable
from convlet.utils.custom_objects import class_name_of, find_custom_object, get_custom_objects
from convlet.utils.naming import to_snake_case
from convlet.utils.validation import suggestion

Config: TypeAlias = dict[str, Any]

_MOST_LAYERS = 10_000
_LARGEST_INTEGER = 2**31 - 1

# Kind: convlet's module and base class, and the modules that Keras's files name for it.
_KINDS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "layer": ("convlet.layers", "Layer", ("keras.layers",)),
    "initializer": ("convlet.initializers", "Initializer", ("keras.initializers",)),
    "regularizer": ("convlet.regularizers", "Regularizer", ("keras.regularizers",)),
    "constraint": ("convlet.constraints", "Constraint", ("keras.constraints",)),
    "optimizer": ("convlet.optimizers", "Optimizer", ("keras.optimizers",)),
    "learning rate schedule": (
        "convlet.optimizers.schedules",
        "LearningRateSchedule",
        ("keras.optimizers.schedules",),
    ),
    "loss": ("convlet.losses", "Loss", ("keras.losses",)),
    "metric": ("convlet.metrics", "Metric", ("keras.metrics",)),
    "model": (
        "convlet.models",
        "Saveable",
        (
            "keras",
            "keras.models",
            "keras.src.models.functional",
            "keras.src.engine.functional",
            "tf_keras.src.engine.functional",
        ),
    ),
}
_KIND_OF_SUFFIX = {f"_{kind}": kind for kind in ("initializer", "regularizer", "constraint")}
_KIND_OF_MODULE = {module: kind for kind, (_, _, names) in _KINDS.items() for module in names}

# What some version of Keras writes and another, or convlet, does not know. It says nothing as long
# as it has this value.
_SILENT_DEFAULTS: Config = {
    "batch_input_shape": None,
    "decay": 0.0,
    "fn": None,
    "input_axes": None,
    "is_legacy_optimizer": False,
    "optional": False,
    "output_axes": None,
    "ragged": False,
    "renorm": False,
    "renorm_clipping": None,
    "renorm_momentum": 0.99,
    "sparse": False,
    "synchronized": False,
}
_POLICIES = ("DTypePolicy", "FloatDTypePolicy", "Policy")


def normalized(config: Any, kind: str) -> Any:
    """Returns the configuration of an object in the form that convlet's classes take.

    Args:
        config: What a file says: a dictionary with `"class_name"` and `"config"`, or a string.
        kind: `"model"`, `"layer"`, `"optimizer"`, `"loss"` or `"metric"`.

    Raises:
        ValueError: If it names a class or an argument that convlet does not have, a class by
            another module than its own, or something else that has no place in a model.
    """
    return _Normalizer().object(config, kind)


def classes(kind: str) -> dict[str, type]:
    """Returns convlet's classes of a kind by the names that configurations use."""
    found = _classes(kind)
    if kind == "layer":
        found = {**found, **_classes("model")}
    return found


def kind_of(obj: Any) -> str | None:
    """Returns what kind of object something is, `None` if it is none that has a configuration."""
    return next((kind for kind in _KINDS if isinstance(obj, _base(kind))), None)


def keras_module(kind: str) -> str:
    """Returns the module that Keras's files name for a kind of object."""
    return _KINDS[kind][2][0]


def kind_of_config(config: Mapping[str, Any]) -> str:
    """Returns what kind of object a configuration is of, by its module or else by its class.

    Raises:
        ValueError: If neither tells.
    """
    by_module = _KIND_OF_MODULE.get(str(config.get("module")))
    if by_module is not None:
        return by_module
    class_name = str(config["class_name"])
    custom = find_custom_object(str(config.get("registered_name") or class_name))
    if isinstance(custom, type):
        kinds = [kind for kind in _KINDS if issubclass(custom, _base(kind))]
    else:
        kinds = [kind for kind in _KINDS if class_name in _classes(kind)]
    if not kinds:
        raise ValueError(
            f"Could not interpret identifier: {class_name}{_origin(config)}. It is none of "
            "convlet's and not in `custom_objects`."
        )
    if len(kinds) > 1 and custom is None:
        raise ValueError(
            f"{class_name} is the name of a {' and of a '.join(kinds)}: the configuration must "
            f"have a 'module'. Received: {_shortened(config)}"
        )
    return kinds[0]


def check_name(name: Any, what: str) -> None:
    """Refuses a name that could be taken for a path or disturb a terminal.

    Raises:
        ValueError: If it is not a string, or holds a slash, a backslash, two dots or a control
            character (CVE-2026-12479 in Keras).
    """
    if not isinstance(name, str) or not name:
        raise ValueError(f"The name of {what} must be a string. Received: name={name!r}")
    if "/" in name or "\\" in name or ".." in name or not name.isprintable():
        raise ValueError(
            f"The name of {what} must not contain '/', '\\', '..' or control characters. "
            f"Received: name={name!r}"
        )


def minimal(config: Any) -> Any:
    """Returns a configuration without what says nothing, in the words of every Keras 3."""
    if isinstance(config, (list, tuple)):
        return [minimal(item) for item in config]
    if not isinstance(config, Mapping):
        return config
    if "class_name" not in config:
        return {key: minimal(value) for key, value in config.items()}
    arguments = config.get("config")
    if isinstance(arguments, Mapping):
        arguments = {
            key: minimal(value)
            for key, value in arguments.items()
            if value is not None and not _says_nothing(key, value)
        }
        for key in ("input_layers", "output_layers"):
            ends = arguments.get(key)
            if ends and isinstance(ends[0], str):  # one tensor rather than a list of one
                arguments[key] = [ends]
    return {key: arguments if key == "config" else minimal(value) for key, value in config.items()}


@cache
def _classes(kind: str) -> dict[str, type]:
    module, base = import_module(_KINDS[kind][0]), _base(kind)
    public = {name: getattr(module, name) for name in module.__all__}
    found = {
        name: value
        for name, value in public.items()
        if isinstance(value, type) and issubclass(value, base) and value is not base
    }
    # What Keras called functional models until 2.3.
    return {**found, "Model": found["Functional"]} if "Functional" in found else found


def _base(kind: str) -> type:
    """Returns the base class of a kind of object."""
    module_name, base_name, _ = _KINDS[kind]
    base: type = Saveable if kind == "model" else getattr(import_module(module_name), base_name)
    return base


def _says_nothing(key: str, value: Any) -> bool:
    return key in _SILENT_DEFAULTS and bool(value == _SILENT_DEFAULTS[key])


@cache
def _accepted_arguments(known: Callable[..., Any]) -> set[str]:
    """Returns the names of the arguments of a class, also of those it hands to its base class."""
    names: set[str] = set()
    for base in inspect.getmro(known) if isinstance(known, type) else ():
        if "__init__" not in vars(base):
            continue
        parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
        kinds = {parameter.kind for parameter in parameters}
        names |= {p.name for p in parameters if p.kind is not inspect.Parameter.VAR_KEYWORD}
        if inspect.Parameter.VAR_KEYWORD not in kinds:
            break
    return names - {"self"}


class _Normalizer:
    """One pass over the configuration of a model."""

    def __init__(self) -> None:
        self._layers = 0

    def object(self, config: Any, kind: str) -> Any:
        if config is None or isinstance(config, str):
            return config
        if not isinstance(config, Mapping) or not isinstance(config.get("class_name"), str):
            raise ValueError(
                f"The configuration of a {kind} must be a dictionary with the keys 'class_name' "
                f"and 'config'. Received: {_shortened(config)}"
            )
        if config["class_name"] == "function":
            return _function(config, kind)
        arguments = config.get("config")
        if config["class_name"] == "Sequential" and isinstance(arguments, list):
            arguments = {"name": "sequential", "layers": arguments}  # before Keras 2.2.3
        if not isinstance(arguments, Mapping):
            raise ValueError(
                f"The arguments of {kind} {config['class_name']!r} must be a dictionary. "
                f"Received: {_shortened(arguments)}"
            )
        known = _known_class(config, kind)
        class_name = class_name_of(config)
        if class_name not in get_custom_objects():
            class_name = class_name.rpartition(">")[2]
        if kind == "metric" and class_name == "MeanMetricWrapper":
            return _wrapped_metric(arguments)
        if kind in ("layer", "model"):
            self._count_layer(arguments)
        arguments = _translated(class_name, kind, arguments)
        values = {key: self._value(key, value) for key, value in arguments.items()}
        if _is_model(known):
            values["layers"] = self._members(arguments)
        else:
            values = _without_silent(class_name, known, values)
        return {**config, "class_name": class_name, "config": values}

    def _count_layer(self, arguments: Mapping[str, Any]) -> None:
        self._layers += 1
        if self._layers > _MOST_LAYERS:
            raise ValueError(f"A model can have at most {_MOST_LAYERS} layers.")
        if "name" in arguments:
            check_name(arguments["name"], "a layer")

    def _members(self, arguments: Mapping[str, Any]) -> list[Any]:
        layers = arguments.get("layers")
        if not isinstance(layers, (list, tuple)):
            raise ValueError(
                f"A model's configuration must have a list 'layers'. "
                f"Received: layers={_shortened(layers)}"
            )
        return [self.object(layer, "layer") for layer in layers]

    def _value(self, key: str, value: Any) -> Any:
        """Returns the value of an argument, with the objects in it normalized."""
        if isinstance(value, bool) or value is None or isinstance(value, (float, str)):
            return value
        if isinstance(value, int):
            if abs(value) > _LARGEST_INTEGER and not key.endswith("seed"):
                raise ValueError(f"`{key}` must be less than 2**31. Received: {key}={value}")
            return value
        if key in ("layers", "input_layers", "output_layers"):
            return value  # the layers have their turn elsewhere; the others are only names
        if isinstance(value, (list, tuple)):
            return [self._value(key, item) for item in value]
        if not isinstance(value, Mapping):
            return value  # not from a file: nothing that JSON has
        class_name = value.get("class_name")
        if class_name is None:
            return {inner: self._value(inner, item) for inner, item in value.items()}
        if key == "dtype" or class_name in _POLICIES:
            return _dtype(value)
        if class_name == "__tuple__":
            return tuple(self._value(key, item) for item in value.get("items", ()))
        if class_name in ("__numpy__", "__tensor__"):
            return self._value(key, value.get("config", {}).get("value"))
        return self.object(value, _kind_of(key, value))


def _known_class(config: Mapping[str, Any], kind: str) -> Any:
    """Returns the class that a configuration names, after comparing all that it says of it."""
    class_name, module = config["class_name"], config.get("module")
    registered = config.get("registered_name")
    custom = find_custom_object(registered if isinstance(registered, str) else class_name)
    if custom is not None:
        return custom
    name = class_name.removeprefix("Custom>") if kind == "optimizer" else class_name
    if kind == "metric" and name == "MeanMetricWrapper":
        return None
    known = classes(kind)
    modules = [name for each in ("layer", "model") for name in _KINDS[each][2]]
    modules = modules if kind in ("layer", "model") else list(_KINDS[kind][2])
    if name not in known:
        raise ValueError(
            f"Could not interpret {kind} identifier: {class_name}{_origin(config)}. It is none of "
            f"convlet's and not in `custom_objects`{suggestion(name, known)}"
        )
    if module not in (None, *modules) or registered not in (None, name):
        raise ValueError(
            f"{kind.capitalize()} {class_name!r}{_origin(config)} is not Keras's {name}; classes "
            "are never imported because a file names them."
        )
    return known[name]


def _origin(config: Mapping[str, Any]) -> str:
    facts = [f"{key} {config[key]!r}" for key in ("module", "registered_name") if config.get(key)]
    return f" ({', '.join(facts)})" if facts else ""


def _is_model(known: Any) -> bool:
    return isinstance(known, type) and issubclass(known, Saveable)


def _kind_of(key: str, config: Mapping[str, Any]) -> str:
    """Returns what kind of object an argument is, by its module or else by its name."""
    by_module = _KIND_OF_MODULE.get(str(config.get("module")))
    if by_module is not None:
        return by_module
    for suffix, kind in _KIND_OF_SUFFIX.items():
        if key.endswith(suffix):
            return kind
    if config.get("class_name") == "function":
        return key
    kinds = {"learning_rate": "learning rate schedule", "layer": "layer", "activation": "layer"}
    if key not in kinds:
        raise ValueError(
            f"`{key}` cannot be an object of class {config.get('class_name')!r}{_origin(config)}."
        )
    return kinds[key]


def _function(config: Mapping[str, Any], kind: str) -> Any:
    """Returns the caller's own function, or the name of one that convlet may have."""
    name = config.get("config")
    if not isinstance(name, str) or config.get("module") not in (None, "builtins"):
        raise ValueError(f"A {kind} cannot be a function from a file. Received: {config}")
    return find_custom_object(str(config.get("registered_name") or name)) or name


def _dtype(policy: Mapping[str, Any]) -> Any:
    arguments = policy.get("config")
    if policy.get("class_name") not in _POLICIES or not isinstance(arguments, Mapping):
        raise ValueError(f"Unknown dtype policy: {_shortened(policy)}")
    return arguments.get("name")


def _translated(class_name: str, kind: str, arguments: Mapping[str, Any]) -> Config:
    """Says in the words of Keras 3 what Keras 2 says otherwise."""
    result = dict(arguments)
    shape = result.pop("batch_input_shape", None)
    if shape is not None:
        if class_name == "InputLayer":
            result["batch_shape"] = shape
        elif isinstance(shape, list):
            result["input_shape"] = shape[1:]
    if class_name == "BatchNormalization" and isinstance(result.get("axis"), list):
        axes = result["axis"]
        result["axis"] = axes[0] if len(axes) == 1 else axes
    if kind == "loss":
        result.pop("fn", None)
        if result.get("reduction") == "auto":
            result["reduction"] = "sum_over_batch_size"
    if kind == "optimizer":
        result.pop("jit_compile", None)  # how Keras computes, not what
        if not result.get("use_ema"):
            result.pop("ema_momentum", None)
            result.pop("ema_overwrite_frequency", None)
    return result


def _wrapped_metric(arguments: Mapping[str, Any]) -> Any:
    """Returns the metric that Keras 2 wraps around a function."""
    name, function = arguments.get("name"), arguments.get("fn")
    if name in ("accuracy", "acc"):
        return name  # which accuracy follows from the loss, as when it was compiled
    by_function = {to_snake_case(known): known for known in classes("metric")}
    if not isinstance(function, str) or function not in by_function:
        raise ValueError(f"Unknown metric: {_shortened(function)}")
    return {"class_name": by_function[function], "config": {"name": name}}


def _without_silent(class_name: str, known: Any, arguments: Config) -> Config:
    """Leaves out arguments that the class does not have, as long as they say nothing."""
    accepted = _accepted_arguments(known)
    result = {}
    for key, value in arguments.items():
        if key in accepted:
            result[key] = value
        elif value is not None and not _says_nothing(key, value):
            raise ValueError(
                f"{class_name} does not support `{key}={_shortened(value)}`"
                f"{suggestion(key, accepted)}"
            )
    return result


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
