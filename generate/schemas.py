"""JSON schemas of the messages of the protos, as proto3 JSON has them."""

from collections.abc import Collection
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.rpc import status_pb2

Json = dict[str, Any]

_SCALARS: dict[int, Json] = {
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldDescriptor.TYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.TYPE_INT64: {"type": "string", "format": "int64"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
}

_WELL_KNOWN: dict[str, Json] = {
    "google.protobuf.Any": {
        "type": "object",
        "properties": {"@type": {"type": "string"}},
        "additionalProperties": True,
    },
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?\d+(\.\d{1,9})?s$"},
    "google.protobuf.FieldMask": {"type": "string"},
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
}


def split_sentence(text: str) -> str:
    """Returns the first sentence, without its full stop."""
    return text.partition("\n\n")[0].replace("\n", " ").partition(". ")[0].rstrip(".")


class Schemas:
    """The schemas of all messages that were asked for, and of those within them."""

    def __init__(self, comments: dict[str, str]) -> None:
        self._comments = comments
        self.found: dict[str, Json] = {}
        """By the names of the messages and enums."""

    def reference(self, kind: Any) -> Json:
        """Returns a reference to the schema of a message or enum; it is in `found` from now on."""
        if kind.name not in self.found:
            self.found[kind.name] = {}  # a message may hold itself
            self.found[kind.name] = (
                self._of_enum(kind) if isinstance(kind, EnumDescriptor) else self.of_message(kind)
            )
        return {"$ref": f"#/components/schemas/{kind.name}"}

    def of_error(self) -> Json:
        """Returns a reference to the schema of an error."""
        return self.reference(status_pb2.Status.DESCRIPTOR)

    def of_message(self, message: Descriptor, without: Collection[str] = ()) -> Json:
        """Returns the schema of a message, without some of its fields; nested ones have dots."""
        properties = {
            field.name: self.of_field(field)
            for field in message.fields
            if field.name not in without
        }
        return self._described(message.full_name, {"type": "object", "properties": properties})

    def of_field(self, field: FieldDescriptor) -> Json:
        """Returns the schema of a field, with what its comment says."""
        kind = field.message_type
        if kind is not None and kind.GetOptions().map_entry:
            values = self._of_value(kind.fields_by_name["value"])
            made: Json = {"type": "object", "additionalProperties": values}
        elif field.is_repeated:
            made = {"type": "array", "items": self._of_value(field)}
        else:
            made = self._of_value(field)
        return self._described(field.full_name, made)

    def _of_value(self, field: FieldDescriptor) -> Json:
        if field.enum_type is not None:
            return self.reference(field.enum_type)
        if field.message_type is None:
            return dict(_SCALARS[field.type])
        known = _WELL_KNOWN.get(field.message_type.full_name)
        return dict(known) if known else self.reference(field.message_type)

    def _of_enum(self, enum: EnumDescriptor) -> Json:
        names = [value.name for value in enum.values]
        text = self._comments.get(enum.full_name, "")
        each = [(name, self._comments.get(f"{enum.full_name}.{name}", "")) for name in names]
        lines = "\n".join(f"- `{name}`: {' '.join(said.split())}" for name, said in each)
        return {"type": "string", "enum": names, "description": f"{text}\n\n{lines}"}

    def _described(self, name: str, schema: Json) -> Json:
        text = self._comments.get(name)
        return {"description": text, **schema} if text else schema
