"""The descriptors of the API with all that they import: `python -m generate.descriptors FILE`.

Envoy turns JSON into calls by them. Those of the details of errors are in it, so that it can show
these in JSON, too.
"""

import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

from google.api import annotations_pb2
from google.api.http_pb2 import HttpRule
from google.protobuf import any_pb2
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.rpc import error_details_pb2, status_pb2

from countermand.v1 import (
    cancellation_service_pb2,
    checkout_service_pb2,
    order_service_pb2,
    task_service_pb2,
)

HTTP: Any = annotations_pb2.http
"""The option that says how a method is called over HTTP."""

SERVICES = (
    cancellation_service_pb2,
    checkout_service_pb2,
    order_service_pb2,
    task_service_pb2,
)


def whole_set() -> FileDescriptorSet:
    """Returns the files of the services that HTTP has, each after those that it imports."""
    found: dict[str, FileDescriptorProto] = {}

    def add(file: FileDescriptor) -> None:
        if file.name not in found:
            for imported in file.dependencies:
                add(imported)
            proto = FileDescriptorProto()
            file.CopyToProto(proto)
            for service in proto.service:
                for method in service.method:
                    _without_response_body(method.options.Extensions[HTTP])
            found[file.name] = proto

    for module in (*SERVICES, any_pb2, error_details_pb2, status_pb2):
        add(module.DESCRIPTOR)
    return FileDescriptorSet(file=found.values())


def _without_response_body(rule: HttpRule) -> None:
    """Envoy refuses a rule with one; deploy/envoy/response_body.lua does what it says."""
    rule.ClearField("response_body")
    for more in rule.additional_bindings:
        more.ClearField("response_body")


def comments() -> dict[str, str]:
    """Returns what the protos say of each service, method, message, field, enum and value, by its
    full name; that of a value has the name of its enum before it."""
    manual = files("countermand").joinpath("v1/manual.binpb").read_bytes()
    found: dict[str, str] = {}
    for file in FileDescriptorSet.FromString(manual).file:
        for place in file.source_code_info.location:
            if text := place.leading_comments:
                name = _name_at(file, list(place.path))
                found[name] = "\n".join(
                    line.removeprefix(" ").rstrip() for line in text.strip("\n").splitlines()
                )
    return found


def _name_at(file: FileDescriptorProto, path: list[int]) -> str:
    """The full name of what a path of numbers of fields, and of places in them, leads to."""
    names, here = [file.package], file
    for number, place in zip(path[::2], path[1::2], strict=False):
        here = getattr(here, here.DESCRIPTOR.fields_by_number[number].name)[place]
        names.append(here.name)
    return ".".join(names)


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(whole_set().SerializeToString(deterministic=True))
