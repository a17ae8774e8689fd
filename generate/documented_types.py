"""Writes the comments of the protos into the types of the messages, where editors show them.

    python -m generate.documented_types FOLDER

The folder has the `*_pb2.pyi` that protoc wrote, and `manual.binpb`: the protos and their comments.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

MESSAGES, ENUMS, FIELDS, NESTED, NESTED_ENUMS, VALUES = 4, 5, 2, 3, 4, 2
"""Numbers of fields in descriptor.proto, of which the paths of comments are made."""


def main(folder: Path) -> None:
    """Writes the comments into all types of the folder."""
    manual = FileDescriptorSet.FromString((folder / "manual.binpb").read_bytes())
    for file in manual.file:
        path = folder / (Path(file.name).stem + "_pb2.pyi")
        path.write_text("\n".join(documented(path.read_text().splitlines(), comments(file))) + "\n")


def comments(file: FileDescriptorProto) -> dict[str, str]:
    """Returns each comment by what it is about: `Message`, `Message.field`, `ENUM_VALUE`."""
    said = {
        tuple(place.path): place.leading_comments.strip()
        for place in file.source_code_info.location
    }
    found: dict[str, str] = {}

    def enum(described: EnumDescriptorProto, path: tuple[int, ...], above: str) -> None:
        found[above + described.name] = said.get(path, "")
        for number, value in enumerate(described.value):
            text = said.get((*path, VALUES, number), "")
            found[f"{above}{described.name}.{value.name}"] = found[above + value.name] = text

    def message(described: DescriptorProto, path: tuple[int, ...], above: str) -> None:
        name = above + described.name
        found[name] = said.get(path, "")
        for number, field in enumerate(described.field):
            found[f"{name}.{field.name}"] = said.get((*path, FIELDS, number), "")
        for number, inner in enumerate(described.nested_type):
            message(inner, (*path, NESTED, number), f"{name}.")
        for number, listed in enumerate(described.enum_type):
            enum(listed, (*path, NESTED_ENUMS, number), f"{name}.")

    for number, outer in enumerate(file.message_type):
        message(outer, (MESSAGES, number), "")
    for number, listed in enumerate(file.enum_type):
        enum(listed, (ENUMS, number), "")
    return found


def documented(lines: list[str], said: dict[str, str]) -> Iterator[str]:
    """Gives the lines, and beneath each class, field and value what is said of it."""
    inside: list[str] = []
    for line in lines:
        yield line
        text = line.strip()
        depth = (len(line) - len(line.lstrip())) // 4
        if text.startswith("class "):
            name = text.removeprefix("class ").partition("(")[0]
            inside = [*inside[:depth], name]
            yield from docstring(said.get(".".join(inside), ""), depth + 1)
        elif ": " in text and text.partition(":")[0].isidentifier():
            about = ".".join([*inside[:depth], text.partition(":")[0]])
            yield from docstring(said.get(about, ""), depth)


def docstring(text: str, depth: int) -> Iterator[str]:
    """Gives the lines of a docstring at this depth; none for no text."""
    if not text:
        return
    text += " " * text.endswith('"')
    first, *rest = [line.removeprefix(" ") for line in text.splitlines()]
    indent = "    " * depth
    yield f'{indent}r"""{first}' + ("" if rest else '"""')
    for line in rest:
        yield f"{indent}{line}".rstrip()
    if rest:
        yield f'{indent}"""'


if __name__ == "__main__":
    main(Path(sys.argv[1]))
