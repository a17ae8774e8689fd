"""What the service config has gRPC send again, and what not."""

import json
from importlib import import_module
from importlib.resources import files

PACKAGE = files("countermand")
CONFIG = json.loads((PACKAGE / "service_config.json").read_text())


def test_what_creates_without_an_id_is_not_sent_again_unless_it_was_not_looked_at() -> None:
    usual, creating = CONFIG["methodConfig"]
    assert usual["name"] == [{}]
    assert creating["retryPolicy"]["retryableStatusCodes"] == ["RESOURCE_EXHAUSTED"]
    named = {f"{name['service']}/{name['method']}" for name in creating["name"]}
    modules = (path.name for path in (PACKAGE / "v1").iterdir() if path.name.endswith("_pb2.py"))
    found = {
        f"{service.full_name}/{method.name}"
        for module in modules
        for service in import_module(
            f"countermand.v1.{module.removesuffix('.py')}"
        ).DESCRIPTOR.services_by_name.values()
        for method in service.methods
        if method.name.startswith(("Create", "Rotate"))
    }
    assert found
    assert found <= named
