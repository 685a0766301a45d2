"""The op table and its readers' common ground: kinds of op, their traits, and an op with its parameters."""

from ordersearch.ops.kinds import Call, KerasCall, KerasOp, OpKind, Param, Role, Trait, Value
from ordersearch.ops.op_spec import OpSpec, fold, op_kind, op_names

__all__ = [
    "Call",
    "KerasCall",
    "KerasOp",
    "OpKind",
    "OpSpec",
    "Param",
    "Role",
    "Trait",
    "Value",
    "fold",
    "op_kind",
    "op_names",
]
