"""The protos with their comments, for reflection: `grpcurl describe` shows the manual.

The descriptors that generated code carries have no comments, and their pool does not find a
method by its name; this pool has both. It also knows version 1 of the reflection service, which
the library does not have: but for its package it is the same as v1alpha, message by message.
"""

from importlib.resources import files
from typing import Any

from google.protobuf import text_format
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import Default, DescriptorPool
from grpc_reflection.v1alpha import reflection, reflection_pb2

REFLECTION_V1ALPHA: str = reflection.SERVICE_NAME
REFLECTION_V1 = REFLECTION_V1ALPHA.replace("v1alpha", "v1")


class ManualPool:
    """A descriptor pool for reflection, on top of the default one."""

    def __init__(self) -> None:
        manual = files("countermand").joinpath("v1/manual.binpb").read_bytes()
        self._pool = Default()
        self._reflection = _reflection_v1()
        self._commented = {file.name: file for file in FileDescriptorSet.FromString(manual).file}

    def __getattr__(self, name: str) -> Any:
        """Everything else is the default pool's."""
        return getattr(self._pool, name)

    def FindFileByName(self, file_name: str) -> "_File":
        """Returns a file. Raises KeyError if there is none."""
        try:
            found = self._pool.FindFileByName(file_name)
        except KeyError:
            found = self._reflection.FindFileByName(file_name)
        return _File(found, self._commented)

    def FindFileContainingSymbol(self, symbol: str) -> "_File":
        """Returns the file of a symbol, also of a method or field. Raises KeyError for none."""
        owner, dot, _ = symbol.rpartition(".")
        for name in (symbol, owner) if dot else (symbol,):
            for pool in (self._pool, self._reflection):
                try:
                    return _File(pool.FindFileContainingSymbol(name), self._commented)
                except KeyError:
                    continue
        raise KeyError(symbol)


class _File:
    """What reflection asks of a file descriptor."""

    def __init__(
        self, descriptor: FileDescriptor, commented: dict[str, FileDescriptorProto]
    ) -> None:
        self._descriptor = descriptor
        self._commented = commented
        self.name: str = descriptor.name

    @property
    def dependencies(self) -> list["_File"]:
        return [_File(file, self._commented) for file in self._descriptor.dependencies]

    def CopyToProto(self, proto: FileDescriptorProto) -> None:
        """Fills the message with the file, and with its comments if it is one of ours."""
        commented = self._commented.get(self.name)
        if commented is None:
            self._descriptor.CopyToProto(proto)
        else:
            proto.CopyFrom(commented)


def _reflection_v1() -> DescriptorPool:
    """Returns a pool of its own, since the default one may come to have the library's file."""
    file = FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(file)
    # Names stand in fields that say how long they are, so the text form is what can be changed.
    text = text_format.MessageToString(file).replace("v1alpha", "v1")
    pool = DescriptorPool()
    pool.Add(text_format.Parse(text, FileDescriptorProto()))
    return pool
