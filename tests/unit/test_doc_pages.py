"""The pages as a reader finds them: for whom each is, where links lead, and what the tables say."""

import re
from collections import Counter
from pathlib import PurePosixPath
from typing import Any

import pytest
import typer

from countermand.cli.main import app
from countermand.core.errors import Reason
from countermand.core.ids import SCOPES
from countermand.rpc.status import ANSWERS
from tests.support.pages import PROJECT, README, pages

PAGES = pages()
DOCS = [page for page in PAGES if page != README]
READERS = re.compile(
    r"For (?:[\w ]+ and )?(?:evaluators|integrators|operators|contributors|auditors|people|authors"
    r"|Python programs)\b"
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
BLOCK = re.compile(r"(?ms)^```.*?^```$")


def test_readme_is_read_in_ten_minutes() -> None:
    assert len(PAGES[README].splitlines()) <= 200


@pytest.mark.parametrize("page", DOCS)
def test_a_page_says_first_for_whom_it_is(page: str) -> None:
    title, blank, first = PAGES[page].splitlines()[:3]
    assert title.startswith("# ")
    assert blank == ""
    assert READERS.match(first)


def test_readme_lists_every_page() -> None:
    listed = PAGES[README].partition("## Documentation")[2]
    assert [page for page in DOCS if f"({page})" not in listed] == []


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"(?m)^#+ (.+)$", BLOCK.sub("", text))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md", "SECURITY.md"])
def test_links_lead_somewhere(page: str) -> None:
    text = (PROJECT / page).read_text()
    for link in LINK.findall(text):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (PROJECT / PurePosixPath(page).parent / path).resolve() if path else PROJECT / page
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target.read_text()), link


def sentences(text: str) -> list[str]:
    """The sentences and rows of a page that say more than a few words, in one line each."""
    prose = BLOCK.sub("\n\n", text)
    parts = re.split(r"\n\n|\n(?=[-|#\d])|(?<=[.:]) ", prose)
    flat = (re.sub(r"\W+", " ", part).strip().lower() for part in parts)
    return [part for part in flat if len(part) > 60]


def test_where_to_begin_names_files_that_are_there() -> None:
    table = (
        (PROJECT / "CONTRIBUTING.md")
        .read_text()
        .partition("## Where to begin")[2]
        .partition("## ")[0]
    )
    named = re.findall(r"`(service/[^`]+)`", table)
    assert len(named) == 5
    assert [path for path in named if not (PROJECT / path).is_file()] == []


def test_no_page_repeats_another() -> None:
    found = Counter(part for text in PAGES.values() for part in set(sentences(text)))
    assert [part for part, count in found.items() if count > 1] == []


def rows(page: str) -> list[list[str]]:
    """The cells of every row of a page's tables."""
    lines = BLOCK.sub("", PAGES[page]).splitlines()
    return [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]


def test_the_errors_are_those_of_the_one_table() -> None:
    shown = {
        reason: code
        for code, reasons, *_ in rows("docs/errors.md")
        if code.isupper()
        for reason in reasons.split(", ")
    }
    assert shown == {reason.value: ANSWERS[reason].code.name for reason in Reason}


def test_the_scopes_are_those_that_a_key_may_have() -> None:
    shown = set(re.findall(r"`(\w+:\w+)`", PAGES["docs/operations/keys.md"]))
    assert shown == set(SCOPES)


def each_command(command: Any, name: str) -> dict[str, Any]:
    below = getattr(command, "commands", None)
    if below is None:
        return {name: command}
    return {
        full: each
        for word, inner in below.items()
        for full, each in each_command(inner, f"{name} {word}").items()
    }


def options(command: Any) -> dict[str, str | None]:
    """The flags of a command, each with the variable that stands for it."""
    return {
        flag: each.envvar
        for each in command.params
        for flag in each.opts
        if flag.startswith("--") and flag != "--help"
    }


COMMANDS = each_command(typer.main.get_command(app), "countermand")


def test_configuration_has_every_flag_and_variable_of_the_server() -> None:
    shown = {
        flag: variable
        for flags, variables, *_ in rows("docs/operations/configuration.md")
        if "serve --" in flags
        for flag, variable in zip(
            re.findall(r"--[\w-]+", flags), variables.split(", "), strict=True
        )
    }
    assert shown == options(COMMANDS["countermand serve"])


@pytest.mark.parametrize("name", COMMANDS)
def test_configuration_or_the_command_line_has_every_flag(name: str) -> None:
    text = PAGES["docs/cli.md"] + PAGES["docs/operations/configuration.md"]
    assert [flag for flag in options(COMMANDS[name]) if flag not in text] == []
    assert f"`{name}" in text
