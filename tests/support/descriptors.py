"""The messages of the API, as their descriptors say."""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

from google.protobuf.descriptor import Descriptor

from countermand import v1


def own_messages() -> Iterator[Descriptor]:
    """Yields all messages of the package, but for the entries of maps."""
    for module in iter_modules(v1.__path__):
        if module.name.endswith("_pb2"):
            file = import_module(f"{v1.__name__}.{module.name}").DESCRIPTOR
            yield from file.message_types_by_name.values()
