"""The names and arguments that Keras knows, readable without importing Keras.

`keras_api.json` is generated from the installed Keras by `python -m models.keras_api`; a test compares the two. It is
what lets a recipe's misspelt layer or optimiser be refused, with the nearest name, in a fraction of a second.
"""

import functools
import json
from pathlib import Path

FILE = Path(__file__).with_name("keras_api.json")


@functools.cache
def keras_api() -> dict[str, dict[str, list[str]]]:
    """Returns group (`layers`, `optimizers`, `losses`, `activations`, ...) to name to arguments."""
    table: dict[str, dict[str, list[str]]] = json.loads(FILE.read_text(encoding="utf-8"))
    return table


def arguments(group: str, name: str) -> list[str] | None:
    """Returns the arguments of a Keras object, in order; None if Keras has no such name.

    Args:
        group: A key of `keras_api()`.
        name: Class name, or for all but layers also its snake_case name.
    """
    names = keras_api()[group]
    if name in names:
        return names[name]
    if group == "layers":
        return None
    folded = {known.replace("_", "").lower(): args for known, args in names.items()}
    return folded.get(name.replace("_", "").lower())


def generate() -> dict[str, dict[str, list[str]]]:
    """Reads the table off the installed Keras (imports it)."""
    import inspect

    import keras

    bases = {
        "layers": keras.layers.Layer,
        "optimizers": keras.optimizers.Optimizer,
        "initializers": keras.initializers.Initializer,
        "regularizers": keras.regularizers.Regularizer,
        "losses": keras.losses.Loss,
        "metrics": keras.metrics.Metric,
    }

    def parameters(cls: type) -> list[str]:
        """Arguments of the class and, where it passes the rest on, of the classes it inherits from."""
        found: list[str] = []
        for owner in cls.__mro__:
            if "__init__" not in vars(owner) or owner is object:
                continue
            signature = inspect.signature(owner.__init__)  # type: ignore[misc]
            found += [
                name
                for name, parameter in signature.parameters.items()
                if name != "self" and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
            ]
            if not any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
                break
        return list(dict.fromkeys(found))

    def classes(group: str) -> dict[str, list[str]]:
        module = getattr(keras, group)
        found = {}
        for name in sorted(dir(module)):
            cls = getattr(module, name)
            is_concrete = inspect.isclass(cls) and issubclass(cls, bases[group]) and cls is not bases[group]
            if is_concrete and cls.__name__ == name:
                found[name] = parameters(cls)
        return found

    table = {group: classes(group) for group in bases}
    table["activations"] = {
        name: []
        for name in sorted(dir(keras.activations))
        if inspect.isfunction(getattr(keras.activations, name)) and name not in ("get", "serialize", "deserialize")
    }
    return table


def main() -> None:
    """Writes the table."""
    lines = []
    for group, names in generate().items():
        rows = ",\n".join(f"    {json.dumps(name)}: {json.dumps(args)}" for name, args in names.items())
        lines.append(f'  "{group}": {{\n{rows}\n  }}')
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
