"""The checker of the pages: what cannot be run, or does not print what is shown, is found."""

from pathlib import Path

import pytest

from tests.support.pages import pages
from tests.support.pages.blocks import commands, faults, parse
from tests.support.pages.output import Expected
from tests.support.pages.session import Session, WrongPage

PAGES = pages()


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_the_pages_can_be_run_or_says_why_not(page: str) -> None:
    assert list(faults(page, PAGES[page])) == []


def fenced(info: str, text: str = "true", prose: str = "") -> str:
    return f"{prose}\n\n```{info}\n{text}\n```\n"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (fenced("", "make run"), "no language"),
        (fenced("sh"), "sh language"),
        (fenced("console", "$ make run"), "console language"),
        (fenced("bash later"), "later says nothing"),
        (fenced("bash", "   "), "empty"),
        (fenced("text", "make run"), "a command that is not run"),
        (fenced("text", "$ .venv/bin/grpcurl list"), "a command that is not run"),
        (fenced("yaml", "a: 1\nexport KEY=1"), "a command that is not run"),
        (fenced("bash not-run=boring"), "not-run must say"),
        (fenced("bash not-run=minutes", "rm -rf store"), "'rm -rf store' is not what minutes"),
        (fenced("bash not-run=minutes", "make run"), "'make run' is not what minutes"),
        (fenced("bash not-run=root", "apt-get install a; rm b"), "is not what root"),
        (fenced("bash not-run=network", "pip install a; rm b"), "is not what network"),
        (fenced("bash not-run=database", "psql -c 'DROP DATABASE a'"), "is not what database"),
        (fenced("bash not-run=minutes", 'make test ARGS="a"; rm b'), "is not what minutes"),
        (fenced("bash not-run=minutes", "make test") + fenced("output"), "has no output"),
        (fenced("bash shell=second", prose="In this shell:"), "does not name the second shell"),
        (fenced("bash shell=first,second", prose="The first shell:"), "name the second shell"),
        (fenced("bash ctrl-c", prose="Stop it:"), "does not say Ctrl-C"),
        (fenced("bash keeps-running"), "needs its output"),
        (fenced("bash fails"), "needs its output"),
        (fenced("output", "yes"), "directly beneath"),
        (fenced("bash") + fenced("output", "yes", prose="It prints:"), "directly beneath"),
        (fenced("bash") + fenced("output ends", "yes"), "ends needs a shell"),
        (fenced("output shell=second ends", "yes", prose="Look:"), "name the second shell"),
        (fenced("python", "print(1)"), "saved under no name"),
        (fenced("python file=a.py", "print(1)") + fenced("bash", "echo b.py"), "under no name"),
        ("- so:\n\n  ```bash\n  make run\n  ```\n", "at the beginning of a line"),
        ("~~~\nmake run\n~~~\n", "at the beginning of a line"),
        ("```bash\nmake run\n", "at the beginning of a line"),
        ("So:\n\n    make run\n", "only indented"),
    ],
)
def test_a_block_that_cannot_be_run_is_found(text: str, fault: str) -> None:
    found = list(faults("page.md", text))
    assert len(found) == 1
    assert found[0].startswith("page.md")
    assert fault in found[0]


@pytest.mark.parametrize(
    ("reason", "command"),
    [
        ("minutes", "make bench"),
        ("minutes", "make simulate COUNT=1 SEED=12345 WITHIN=5"),
        ("minutes", 'COUNTERMAND_SEED=1 make smoke ARGS="tests/chaos/test_robustness.py"'),
        ("root", "apt-get install strace faketime # and their libraries"),
        ("network", ".venv/bin/python -m pip install 'countermand[cli]==1.0'"),
        ("database", ".venv/bin/countermand migrate --store postgresql://a@b:1,c:2/d"),
        ("network", "make http"),
        ("network", "git clone https://example.com/countermand.git"),
    ],
)
def test_a_block_may_say_why_it_is_not_run(reason: str, command: str) -> None:
    assert list(faults("page.md", fenced(f"bash not-run={reason}", command))) == []


def test_blocks_know_their_shells_their_text_and_what_they_are_beneath() -> None:
    text = fenced("bash shell=second fails", "a \\\n  b\n# c\nd # e", "Say") + fenced("output", "f")
    one, two = parse("page.md", text)
    assert (one.line, one.language, one.shells) == (3, "bash", ["second"])
    assert one.words == {"shell": "second", "fails": ""}
    assert commands(one.text) == ["a    b", "d"]
    assert (two.is_beneath, two.text, two.shells) == (one, "f\n", ["first"])


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("a\nb", "a\nb\n"),
        ("a  b", "a b\n"),
        ("…", ""),
        ("…\nb", "b\n"),
        ("…\nb", "a\na\nb\n"),
        ("a\n…", "a\n"),
        ("a\n…\nb\n…\nb", "a\nb\nc\nb\n"),
        ("a … c", "a b c\n"),
        ("at 2026-11-22T00:51:12.520043Z", "at 2027-01-02T03:04:05Z\n"),
        ("01a200bc-5608-75fa-9ddb-753d1843b774", "01a21d36-b57e-70ef-beaa-38cd8f934b08\n"),
        ("cmd_sandbox_0123456789abcdef_d92…", "cmd_sandbox_fedcba9876543210_Xyz-\n"),
        ("by 5dfd89c2275b262c", "by 0000000000000000\n"),
        ("after 11 ms", "after 4010 ms\n"),
    ],
)
def test_what_is_shown_is_found_but_for_ids_times_and_keys(shown: str, printed: str) -> None:
    assert Expected(shown).missing(printed) is None


@pytest.mark.parametrize(
    ("shown", "printed", "missing"),
    [
        ("a", "b\n", "a"),
        ("a", "", "a"),
        ("a", "a\nb\n", "a"),
        ("b", "a\nb\n", "b"),
        ("…\na", "a\nb\n", "a"),
        ("a\nc\n…", "a\nb\nc\n", "a\nc"),
        ("b\n…\na", "a\nb\n", "b"),
        ("…\na\n…\na\n…", "b\na\nb\n", "a"),
        ("state: CANCELLED", "state: CANCELLING\n", "state: CANCELLED"),
        ("version: 4", "version: 3\n", "version: 4"),
        (
            "c0ffee00-0000-4000-8000-000000000001",
            "c0ffee00-0000-4000-8000-000000000002\n",
            "c0ffee00-0000-4000-8000-000000000001",
        ),
    ],
)
def test_what_is_shown_and_not_printed_is_missing(shown: str, printed: str, missing: str) -> None:
    assert Expected(shown).missing(printed) == missing


def test_so_far_more_may_have_been_printed() -> None:
    assert Expected("a").missing("a\nb\n", whole=False) is None
    assert Expected("b").missing("a\nb\n", whole=False) == "b"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (fenced("bash", "no-such-command"), r"page.md:3: the status of a command is 127"),
        (fenced("bash", "false\ntrue"), r"page.md:3: the status of a command is 1"),
        (fenced("bash", "f() { false; }\nf\ntrue"), r"page.md:3: the status of a command is 1"),
        (fenced("bash fails", "echo a") + fenced("output", "a"), r"page.md:3: the status .* is 0"),
        (fenced("bash", "echo a") + fenced("output", "b"), r"page.md:8: this was not printed:\nb"),
        (fenced("bash", "echo a\necho b") + fenced("output", "a"), r"page.md:9: this was not"),
        (fenced("bash", "echo a >&2") + fenced("output", ""), r"page.md:8: this was not printed"),
        (
            fenced("bash keeps-running", "echo a\nmkfifo f\ncat f")
            + fenced("output", "a")
            + fenced("bash", "echo b"),
            r"page.md:15: its shell is busy",
        ),
        (
            fenced("bash keeps-running", "echo a\necho b")
            + fenced("output", "a")
            + fenced("output shell=first ends", "c", "Then the first shell:"),
            r"page.md:14: status 0; this was not printed:\nc",
        ),
        (
            fenced("bash", "echo a")
            + fenced("output shell=first ends", "a", "Then the first shell:"),
            r"page.md:8: nothing ends there",
        ),
    ],
)
async def test_a_planted_wrong_command_or_output_fails(
    tmp_path: Path, text: str, wrong: str
) -> None:
    async with Session(tmp_path, 1) as session:
        with pytest.raises(WrongPage, match=wrong):
            await session.read({"page.md": text})


async def test_right_pages_are_done_in_order_in_the_shells_that_they_name(tmp_path: Path) -> None:
    text = (
        fenced("python file=say.py", "print('said')")
        + fenced("bash", "mkfifo line\npython3 say.py")
        + fenced("output", "said")
        + fenced("bash keeps-running", "echo waits\ncat line")
        + fenced("output", "waits")
        + fenced("bash shell=second", "ME=second\necho heard > line", "In the second shell:")
        + fenced("output shell=first ends", "heard", "The first shell:")
        + fenced("bash not-run=minutes", "make test")
        + fenced("bash keeps-running", "tail -f say.py")  # it prints when Ctrl-C reaches it
        + fenced("output", "print('said')")
        + fenced("bash ctrl-c fails", 'echo "${ME:-first}"\nfalse', "After Ctrl-C:")
        + fenced("output", "first")
        + fenced("bash shell=second", "echo $ME", "In the second shell:")
        + fenced("output", "second")
    )
    assert list(faults("page.md", text)) == []
    async with Session(tmp_path, 1) as session:
        await session.read({"page.md": text})


async def test_a_page_is_run_on_another_port_and_with_the_key_that_was_printed(
    tmp_path: Path,
) -> None:
    text = (
        fenced("bash", "echo cmd_sandbox_0123456789abcdef_secret")
        + fenced("bash", "echo 'cmd_sandbox_PUT_YOURS_HERE' | cut -d _ -f 4")
        + fenced("output", "secret")
        + fenced("bash", "echo localhost:50051 | tr 6 x\necho localhost:50051")
        + fenced("output", "localhost:x1234\nlocalhost:50051")
    )
    async with Session(tmp_path, 61234) as session:
        await session.read({"page.md": text})
