"""What a server does unless it is told otherwise is entered once, and one thing everywhere."""

import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest

from countermand.app.composition import open_store
from countermand.app.settings import Settings
from countermand.cli.options import parse_retention, parse_span
from countermand.cli.serve import serve
from countermand.client.environment import SERVER
from countermand.core.knobs import Knobs
from countermand.store.contract import StoreRefused

PAGE = Path(__file__).parents[2] / "docs/operations/configuration.md"
NAMED_OTHERWISE = {"shipped_words": "shipped_word"}
FOR_A_TERMINAL = {"log_format"}
"""What depends on whether somebody sees it, if it is not said."""


def meant(value: object, setting: object) -> object:
    """What the command takes a default for, in the setting's own kind."""
    if isinstance(value, str) and isinstance(setting, float):
        parse = parse_span if value.endswith("s") else parse_retention
        parsed = parse(value)
        return parsed if isinstance(parsed, float) else parsed.total_seconds()
    return tuple(value) if isinstance(value, list) else value


@pytest.mark.parametrize(
    "name", [field.name for field in fields(Settings) if field.name not in FOR_A_TERMINAL]
)
def test_an_option_of_serve_has_the_default_of_its_setting(name):
    option = inspect.signature(serve).parameters[NAMED_OTHERWISE.get(name, name)]
    setting = getattr(Settings(), name)
    assert meant(option.default, setting) == setting


def test_clients_call_where_a_server_listens():
    assert Settings().listen == SERVER


def test_the_page_of_settings_names_each_flag_with_its_default():
    rows = re.findall(r"^\| `serve (--.*?)` \| \w+ \| (.*) \|$", PAGE.read_text(), re.M)
    shown = {name.removeprefix("--"): text for flag, text in rows for name in flag.split("`, `")}
    settings = {
        NAMED_OTHERWISE.get(field.name, field.name).replace("_", "-"): getattr(
            Settings(), field.name
        )
        for field in fields(Settings)
    }
    assert shown.keys() | {"tls-cert", "tls-key"} == settings.keys()
    for name, setting in settings.items():
        if name in shown and setting and name != "log-format":
            seconds = "s" if name == "drain-timeout" else ""
            value = f"{setting:g}" if isinstance(setting, int | float) else setting
            assert shown[name].startswith(f"`{value}{seconds}`"), name
        elif name in shown and name != "log-format":
            assert re.match("none|off", shown[name]), name


@pytest.mark.parametrize("url", ["mysql://u:secret@h/db", "store.db", "postgresq://u:secret@h/db"])
def test_a_store_that_is_neither_names_both_and_no_password(url):
    with pytest.raises(StoreRefused, match=r"sqlite:/// and a path, or postgresql:// ") as caught:
        open_store(url, Knobs().store)
    assert "secret" not in str(caught.value)
