"""The protos with their comments, for reflection: `grpcurl describe` shows the manual.

The descriptors that generated code carries have no comments, and their pool does not find a
method by its name; this pool has both.
"""

from importlib.resources import files
from typing import Any

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import Default


class ManualPool:
    """A descriptor pool for reflection, on top of the default one."""

    def __init__(self) -> None:
        manual = files("countermand").joinpath("v1/manual.binpb").read_bytes()
        self._pool = Default()
        self._commented = {file.name: file for file in FileDescriptorSet.FromString(manual).file}

    def __getattr__(self, name: str) -> Any:
        """Everything else is the default pool's."""
        return getattr(self._pool, name)

    def FindFileByName(self, file_name: str) -> "_File":
        """Returns a file. Raises KeyError if there is none."""
        return _File(self._pool.FindFileByName(file_name), self._commented)

    def FindFileContainingSymbol(self, symbol: str) -> "_File":
        """Returns the file of a symbol, also of a method or field. Raises KeyError for none."""
        try:
            found = self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            owner, dot, _ = symbol.rpartition(".")
            if not dot:
                raise
            found = self._pool.FindFileContainingSymbol(owner)
        return _File(found, self._commented)


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
