"""The page of HTTP: it names every way to call, and every field that a platform's may be in. And
the OpenAPI document beside it."""

import json
import re
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor
from openapi_spec_validator import validate

from countermand.v1.checkout_pb2 import Cart, Checkout
from countermand.v1.order_pb2 import Order
from countermand.v1.task_pb2 import Task
from generate.openapi import bindings
from tests.support.pages import PROJECT, pages

PAGE = pages()["docs/http.md"]


def test_the_page_names_every_way_to_call() -> None:
    named = {f"{binding.verb.upper()} {binding.path}" for binding in bindings()}
    assert named == set(re.findall(r"`((?:GET|POST|PATCH|DELETE) /[^`]+)`", PAGE)) - {
        "GET /healthz"
    }


def test_the_document_is_valid_openapi_and_has_every_way_to_call() -> None:
    document = json.loads((PROJECT / "docs/openapi.json").read_text())
    validate(document)
    paths = document["paths"].items()
    told = {f"{verb.upper()} {path}" for path, verbs in paths for verb in verbs}
    assert told == {f"{binding.verb.upper()} {binding.path}" for binding in bindings()}


def fields_of(message: Descriptor) -> set[str]:
    """The fields of a record and of the records within it that the page describes in place."""
    inner = [field.message_type for field in message.fields if field.message_type]
    ours = [kind for kind in inner if kind.file.package == "countermand.v1"]
    nested = [kind for kind in ours if kind.name not in ("Settlement", "TaskCount")]
    names = {field.name for field in message.fields}
    return names.union(*(fields_of(k) for k in nested if not k.GetOptions().map_entry))


@pytest.mark.parametrize(
    ("record", "heading"),
    [
        (Task, "An agent that buys"),
        (Checkout, "A checkout session"),
        (Cart, "A cart"),
        (Order, "An order"),
    ],
)
def test_each_field_of_a_record_is_in_the_table_of_its_platform(record: Any, heading: str) -> None:
    section = PAGE.partition(f"### {heading}")[2].partition("\n### ")[0]
    if record in (Checkout, Cart):
        section = PAGE.partition("### A checkout session")[2].partition("### An order")[0]
    assert fields_of(record.DESCRIPTOR) - set(re.findall(r"`(\w+)`", section)) == set()
