"""Making an object of a less exact OneBot client fit a Struct.

Clients other than NapCat write ids as strings where it writes numbers and the other way round, and `null`
where it leaves a key out. msgspec's lax mode reads numeric strings as numbers; the rest is done here, after
the exact decode has failed.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar, cast

import msgspec

StructT = TypeVar("StructT", bound=msgspec.Struct)


def fit(raw: Mapping[str, Any], kind: type[StructT]) -> StructT | None:
    """Convert a decoded JSON object to `kind`; None when it does not fit even so."""
    try:
        return msgspec.convert(_prepare(raw, kind), kind, strict=False)
    except (msgspec.ValidationError, UnicodeEncodeError):  # the second: half a character where a number is to be
        return None


def _prepare(raw: Mapping[str, Any], kind: type[msgspec.Struct]) -> dict[str, Any]:
    types = _field_types(kind)
    return {key: _bend(value, types.get(key)) for key, value in raw.items() if value is not None}


def _bend(value: Any, wanted: Any) -> Any:
    if wanted is str and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, dict) and isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
        return _prepare(cast("dict[str, Any]", value), wanted)
    return value


@cache
def _field_types(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The fields' types by their keys, without what bounds their values."""
    fields = msgspec.structs.fields(kind)
    return {field.encode_name: getattr(field.type, "__origin__", field.type) for field in fields}
