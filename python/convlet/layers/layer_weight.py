"""LayerWeight: a weight of a layer as an attribute of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convlet.layers.layer import Layer


class LayerWeight:
    """The weight with the attribute's name: `layer.kernel`, `layer.bias`.

    It is `None` where the layer has no such weight, with `use_bias=False` say; before the layer is
    built there is no such attribute.
    """

    def __set_name__(self, owner: type[Layer], name: str) -> None:
        self._name = name

    def __get__(self, layer: Layer | None, owner: type[Layer]) -> Any:
        if layer is None or not layer.built:
            raise AttributeError(f"You must build the layer before accessing `{self._name}`.")
        return next((weight for weight in layer.weights if weight.name == self._name), None)
