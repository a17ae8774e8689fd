"""The OpenAPI document of the API over HTTP: `python -m generate.openapi FILE`.

It is made from the protos, and says what deploy/envoy does: field names as in the protos, int64 as
strings, errors as google.rpc.Status. Descriptions are the comments of the protos.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from google.api.http_pb2 import HttpRule
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from generate.descriptors import HTTP, SERVICES, comments
from generate.schemas import Schemas, split_sentence

Json = dict[str, Any]

ABOUT = """Stops tasks durably, and tells what became of them, over HTTP and JSON as Envoy serves \
it from the gRPC API. 64-bit integers are strings. A repeat with the same `request_id` is safe. An \
error is a google.rpc.Status; match on the `reason` in its `details`. In a path, an id's `:` is \
`%3A`. A watch answers one JSON message a line, the last one with `last` true: one that ends \
without it was cut off, and goes on with `after_version` or `resume_token`."""


class Binding(NamedTuple):
    """One way to call a method."""

    operation: str
    """A name of its own."""
    method: MethodDescriptor
    rule: HttpRule

    @property
    def verb(self) -> str:
        return str(self.rule.WhichOneof("pattern"))

    @property
    def path(self) -> str:
        return str(getattr(self.rule, self.verb))

    @property
    def path_fields(self) -> list[str]:
        """The fields in braces, nested ones with dots."""
        return [part.partition("}")[0] for part in self.path.split("{")[1:]]


def bindings() -> Iterator[Binding]:
    """Gives every way to call a method over HTTP, in the order of the protos."""
    for module in SERVICES:
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                rule = method.GetOptions().Extensions[HTTP]
                for number, each in enumerate([rule, *rule.additional_bindings], 1):
                    yield Binding(method.name + (str(number) if number > 1 else ""), method, each)


def document() -> Json:
    """Returns the whole document."""
    said = comments()
    schemas = Schemas(said)
    paths: Json = {}
    for binding in bindings():
        paths.setdefault(binding.path, {})[binding.verb] = _operation(binding, schemas, said)
    error = schemas.of_error()
    tags = [
        service for module in SERVICES for service in module.DESCRIPTOR.services_by_name.values()
    ]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Countermand",
            "version": "v1",
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://127.0.0.1:8080", "description": "What `make http` starts."}],
        "security": [{"api_key": []}, {"bearer": []}],
        "tags": [{"name": tag.name, "description": said[tag.full_name]} for tag in tags],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "api_key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
            "responses": {"Error": {"description": "A refusal.", "content": _json(error)}},
            "schemas": schemas.found,
        },
    }


def _operation(binding: Binding, schemas: Schemas, said: dict[str, str]) -> Json:
    method, rule = binding.method, binding.rule
    text = said[method.full_name]
    made: Json = {
        "operationId": binding.operation,
        "tags": [method.containing_service.name],
        "summary": split_sentence(text),
        "description": text,
        "parameters": [
            {"name": path, "in": "path", "required": True, **_described(field, schemas)}
            for path in binding.path_fields
            for field in [_field_at(method.input_type, path)]
        ],
    }
    if rule.body != "*":
        taken = {*binding.path_fields, rule.body}
        made["parameters"] += [
            {"name": path, "in": "query", **_described(field, schemas)}
            for path, field in _leaves(method.input_type, "", taken)
        ]
    if rule.body:
        body = (
            schemas.of_message(method.input_type, without=set(binding.path_fields))
            if rule.body == "*"
            else schemas.of_field(method.input_type.fields_by_name[rule.body])
        )
        made["requestBody"] = {"content": _json(body)}
    answer = (
        schemas.of_field(method.output_type.fields_by_name[rule.response_body])
        if rule.response_body
        else schemas.reference(method.output_type)
    )
    what = "One JSON message a line." if method.server_streaming else "Done."
    made["responses"] = {
        "200": {"description": what, "content": _json(answer)},
        "default": {"$ref": "#/components/responses/Error"},
    }
    return made


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _described(field: FieldDescriptor, schemas: Schemas) -> Json:
    schema = schemas.of_field(field)
    description = schema.pop("description", "")
    return {"description": description, "schema": schema}


def _field_at(message: Any, path: str) -> FieldDescriptor:
    first, _, rest = path.partition(".")
    field = message.fields_by_name[first]
    return _field_at(field.message_type, rest) if rest else field


def _leaves(
    message: Descriptor, prefix: str, taken: set[str]
) -> Iterator[tuple[str, FieldDescriptor]]:
    """Gives the fields that a query may set, with their paths."""
    for field in message.fields:
        path = prefix + field.name
        if path in taken:
            continue
        if field.message_type is None or field.message_type.full_name.startswith("google."):
            yield path, field
        else:
            yield from _leaves(field.message_type, f"{path}.", taken)


if __name__ == "__main__":
    text = json.dumps(document(), indent=2, ensure_ascii=False)
    Path(sys.argv[1]).write_text(f"{text}\n")
