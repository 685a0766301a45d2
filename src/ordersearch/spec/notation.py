"""Reading the notation: strict about meaning, forgiving about what people paste."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ordersearch.errors import SpecError, UnknownNameError
from ordersearch.ops import Call, OpKind, OpSpec, Role, Value, fold, op_kind

MAX_LENGTH = 10_000
MAX_NESTING = 20

# Code that was pasted as one line has but a blank between one call and the next.
_SEPARATOR = re.compile(r"\s*(?:[-=]*>|→|⟶|⇒|➔|\||,|;|\n|-|\u2013)\s*|(?<=\))\s+(?=[A-Za-z_]|\([\w-]+\):)")
# In these names a hyphen belongs to the name: max-pool, but conv-bn-relu.
_HYPHENATED = re.compile(
    r"(?i)\b(batch|group|layer|max|avg|average|spatial|alpha|leaky|channel|feature|fully)-(?=[a-z])"
)
_OP = re.compile(r"(?s)([A-Za-z_][\w ./]*?)\s*(?:\((.*)\))?")
_ASSIGNED = re.compile(r"^[\w.]+\s*=\s*(?=[A-Za-z_])")
_WRAPPED = re.compile(r"(?s)^(?:[\w.]*\bSequential|\w+\.add)\s*\(\s*\[?(.*?)\]?\s*,?\s*\)$")
# What PyTorch prints of a module: "(conv): Conv2d(...)", "(0-1): 2 x ReLU()", and those in what holds them.
_NAMED = re.compile(r"^\(([\w-]+)\):\s*(?:([0-9]{1,2}) x )?")
_PRINTED = re.compile(r"(?s)^\w+\(\s*(\([\w-]+\):.*)\)$")
_ADDED = re.compile(r"(?s)\b\w+\.add\(.*?(?=\s*(?:\b\w+\.add\(|\Z))")
# What the place in the network decides, or what changes no value: read over, not kept.
_CHANNELS = {"in_channels", "out_channels", "in_features", "out_features", "num_features", "num_channels"}
_KERAS_PLACE = {"filters", "units", "input_shape", "input_dim", "name", "data_format", "axis"}
_ELSEWHERE = _CHANNELS | _KERAS_PLACE | {"normalized_shape", "inplace", "device", "dtype"}
# What PyTorch prints of layers whose op has no such parameter, and where that says nothing.
_AT_DEFAULT: Mapping[str, Mapping[str, Value]] = {
    "batch_norm": {"bias": True, "track_running_stats": True},
    "group_norm": {"bias": True},
    "layer_norm": {"bias": True},
    "max_pool": {"ceil_mode": False, "dilation": 1},
    "avg_pool": {"ceil_mode": False},
    "prelu": {"num_parameters": 1},
    "softplus": {"beta": 1.0, "threshold": 20.0},
}
_SAID = object()


def read_ops(text: str) -> list[OpSpec]:
    """The ops of a line such as ``conv(kernel=3) > batch_norm > relu``, or of pasted PyTorch or Keras layers.

    Of what PyTorch prints of a module the layers are read in the order in which they are printed, with the parameters
    that are printed; what is called ``shortcut`` is ``add``.

    Raises:
        SpecError: The line is empty, too long or not of this form, or a parameter is outside its bounds.
        UnknownNameError: No op has one of the names.
    """
    if not isinstance(text, str):
        raise SpecError(f"A block is written as text such as 'conv > batch_norm > relu', but got {text!r}.")
    if len(text) > MAX_LENGTH:
        raise SpecError(
            f"Block '{text[:60]}...' has {len(text)} characters, but the notation takes at most {MAX_LENGTH}."
        )
    ops: list[OpSpec] = []
    mended = _mended(text).strip()
    read = _read_printed if _NAMED.match(mended) or _PRINTED.match(mended) else _read_piece
    for number, piece in enumerate(_pieces(mended), 1):
        try:
            ops.extend(read(piece))
        except UnknownNameError:
            raise
        except SpecError as cause:
            raise SpecError(f"Block {text.strip()[:300]!r}, op {number}: {cause}") from cause
    if not ops:
        raise SpecError(
            f"Block {text[:300]!r} is empty. Write for example 'conv > batch_norm > relu > max_pool > dropout(p=0.1)'."
        )
    return ops


def _mended(text: str) -> str:
    """The text without comments and runs of blanks, and with the last bracket of ``model.add(...)`` if that lacks."""
    plain = re.sub(r"\s*\n\s*", "\n", re.sub(r"[^\S\n]+", " ", re.sub(r"#[^\n]*", "", text)))
    return _ADDED.sub(lambda found: found[0] + ")" * (found[0].count("(") - found[0].count(")") == 1), plain)


def _pieces(text: str, depth: int = 0) -> Iterator[str]:
    if depth > MAX_NESTING:
        raise SpecError(f"Block {text[:60]!r}... is nested more than {MAX_NESTING} deep, which no block is.")
    for piece in _split(_HYPHENATED.sub(r"\1_", text.strip()), _SEPARATOR):
        named = _NAMED.match(piece)
        if named and fold(named[1]) == "shortcut":
            yield "add"
            continue
        bare = piece[named.end() :] if named else _ASSIGNED.sub("", piece)
        wrapped, n_times = _WRAPPED.match(bare) or _PRINTED.match(bare), int((named and named[2]) or 1)
        if wrapped and n_times == 1:
            yield from _pieces(wrapped.group(1), depth + 1)
        else:  # a part that is there several times is more than a block, and its name is no op's
            yield from [f"{n_times} x {bare}"] if wrapped else [bare] * n_times


def _split(text: str, separator: re.Pattern[str]) -> list[str]:
    """The parts of ``text`` between separators that stand outside of brackets and quotes; empty parts left out."""
    parts, start, position, depth, quote = [], 0, 0, 0, ""
    while position < len(text):
        character = text[position]
        found = separator.match(text, position) if depth == 0 and not quote else None
        if found:
            parts.append(text[start:position])
            start = position = found.end()
            continue
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        depth += 0 if quote else (character in "([{") - (character in ")]}")
        position += 1
    if depth != 0 or quote:
        raise SpecError(
            f"Block {text[:300]!r} has a bracket or quote that is opened and not closed, or the other way round."
        )
    return [stripped for part in [*parts, text[start:]] if (stripped := part.strip())]


def _read_piece(piece: str) -> list[OpSpec]:
    match = _OP.fullmatch(re.sub(r"\)\s*\(\s*\w+\s*\)$", ")", piece))
    if not match:
        raise SpecError(f"got {piece[:80]!r}, but an op is written as name(parameter=value, ...).")
    name, arguments = match.group(1), _split(match.group(2) or "", re.compile(r"\s*,\s*"))
    if fold(name) == "identity":
        return []
    if fold(name) == "activation" and arguments:
        return _activation(_read_value(arguments[0]))
    return _read_call(name, arguments)


def _read_printed(piece: str) -> list[OpSpec]:
    """The op of a layer as PyTorch prints it: with its defaults, save for a padding of 0."""
    whole = re.sub(r"(?s)^(Conv[123]d\((?!.*\bpadding=).*)\)$", r"\1, padding=0)", piece)
    return [op.replace(**op.kind.spelling(op.params)) if op.kind.spelling else op for op in _read_piece(whole)]


def _read_call(name: str, arguments: list[str]) -> list[OpSpec]:
    kind, keras = op_kind(name), _is_keras(name)
    positional = _positional(name)
    params: dict[str, Value] = {}
    activation: list[OpSpec] = []
    for index, argument in enumerate(arguments):
        key, equals, value_text = argument.partition("=")
        if not equals and index >= len(positional):
            raise SpecError(
                f"{kind.name} takes no value at place {index + 1}, but got {argument[:80]!r}. Name it: parameter=value."
            )
        key, value_text = (key.strip(), value_text) if equals else (positional[index], argument)
        if key == "_" or key in _ELSEWHERE:
            continue
        value = _read_value(value_text)
        if key == "activation":
            activation = _activation(value)
        elif value != _AT_DEFAULT.get(kind.name, {}).get(key, _SAID):
            _put(params, kind, key, _from_keras(key, value) if keras else value)
    return [OpSpec(kind.name, **params), *activation]


def _activation(value: Value) -> list[OpSpec]:
    if value in (None, "linear"):  # Keras' name for doing nothing
        return []
    op = OpSpec(str(value))
    if op.role is not Role.ACTIVATION:
        raise SpecError(f"got {value!r} for an activation, but it is a {op.role}.")
    return [op]


def _put(params: dict[str, Value], kind: OpKind, key: str, value: Value) -> None:
    if kind.role is Role.WEIGHT and key in ("stride", "strides"):
        if value != 1:
            raise SpecError(
                f"{kind.name}(stride={value!r}): a spec holds no stride, since the network gives it to the block that "
                f"it builds."
            )
        return
    param = kind.param(key)
    name = param.name if param else key
    if name in params:
        raise SpecError(f"{kind.name} is given {name!r} twice.")
    params[name] = 0 if name == "padding" and value == "valid" else value


def _is_keras(name: str) -> bool:
    return bool(re.search(r"[123]D$", name)) or name.rpartition(".")[2] in (
        "Dense",
        "BatchNormalization",
        "LayerNormalization",
    )


def _positional(name: str) -> tuple[str, ...]:
    kind = op_kind(name)
    if _is_keras(name):
        return kind.keras_positional
    if re.search(r"\bnn\.|[123]d$", name) or any(call.target == f"torch.nn.{name}" for call in _calls(kind)):
        return kind.torch_positional
    return tuple(param.name for param in kind.params)


def _calls(kind: OpKind) -> list[Call]:
    return [call for call in (kind.on_maps, kind.on_features) if call]


def _from_keras(key: str, value: Value) -> Value:
    # Keras' momentum is the share of the old statistics, PyTorch's that of the new batch.
    return round(1 - value, 12) if key == "momentum" and isinstance(value, int | float) else value


def _read_value(text: str) -> Value:
    bare = text.strip()
    window = re.fullmatch(r"[(\[]\s*[0-9]{1,9}\s*(?:,\s*[0-9]{1,9}\s*)*,?\s*[)\]]", bare)
    if window:
        sizes = set(re.findall(r"[0-9]+", bare))
        if len(sizes) > 1:
            raise SpecError(f"got {bare!r}, but a window has the same size in every dimension: give one number.")
        return int(sizes.pop())
    if re.fullmatch(r"[+-]?[0-9]{1,18}", bare):
        return int(bare)
    if re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", bare):
        return float(bare)
    word = bare.strip("'\"")
    return word if word != bare else {"true": True, "false": False, "none": None}.get(word.lower(), word)
