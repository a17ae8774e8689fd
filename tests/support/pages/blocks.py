"""The code blocks of a page, what the words after their language ask for, and what is wrong."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

FIRST = "first"
"""The shell of blocks that name none."""

WORDS = {
    "bash": {"shell", "keeps-running", "ctrl-c", "fails", "not-run"},
    "output": {"shell", "ends"},
    "python": {"file"},
    "text": set(),
    "json": set(),
    "yaml": set(),
    "ini": set(),
    "proto": set(),
}
"""What may stand behind each language. The last five show something, and are never commands."""
SHOWN = {"text", "json", "yaml", "ini", "proto"}

NOT_RUN = {
    "minutes": r"(?:COUNTERMAND_SEED=\d+ )?make (?:test|check|smoke|chaos|bench|simulate|planted)"
    r'(?: (?:COUNT|SEED|WITHIN)=\d+| STORE=postgresql)*(?: ARGS="[^"]*")?',
    "root": r"apt-get install [\w. -]+",
    "database": r"""psql -c "CREATE (?:ROLE|DATABASE) [\w' -]+"|"""
    r"\.venv/bin/countermand (?:(?:serve|deliver|migrate|store check) --store|"
    r"copy --from sqlite:///\S+ --to)"
    r" postgresql://\S+|make cluster",
    "network": r"make http|git clone \S+|(?:\.venv/bin/python -m )?pip install [\w. '\[\],=-]+",
}
"""Why a block is not run, and what each of its commands must then be."""

_FENCE = re.compile(r"```(.*)")
_COMMAND = re.compile(r"(?:\$ |# )?(?:\.venv/bin/|(?:make|countermand|grpcurl|buf|pip|export)\b).*")


@dataclass(frozen=True)
class Block:
    """One code block."""

    page: str
    line: int
    """Of its first fence."""
    language: str
    words: dict[str, str]
    """What stands behind the language; a word without a value has an empty one."""
    text: str
    prose: str
    """What the page says between the block before it and this one."""
    previous: "Block | None" = field(repr=False)

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def shells(self) -> list[str]:
        return self.words.get("shell", FIRST).split(",")

    @property
    def is_beneath(self) -> "Block | None":
        """The block whose output this is."""
        if self.language == "output" and "shell" not in self.words and not self.prose.strip():
            return self.previous
        return None


def parse(page: str, text: str) -> list[Block]:
    """Returns the blocks of a page, in order."""
    found: list[Block] = []
    prose: list[str] = []
    inside: list[str] | None = None
    start, info = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        fence = _FENCE.fullmatch(line)
        if inside is None and fence:
            start, info, inside = number, fence[1], []
        elif inside is None:
            prose.append(line)
        elif line == "```":
            language, *words = info.split() or [""]
            said = {key: value for key, _, value in (word.partition("=") for word in words)}
            body = "".join(f"{each}\n" for each in inside)
            before = found[-1] if found else None
            found.append(Block(page, start, language, said, body, "\n".join(prose), before))
            prose, inside = [], None
        else:
            inside.append(line)
    return found


def commands(text: str) -> list[str]:
    """The commands of a block: one a line, those that go on joined, without comments."""
    lines = text.replace("\\\n", " ").splitlines()
    return [line.partition(" #")[0].strip() for line in lines if line and line[0] != "#"]


def faults(page: str, text: str) -> Iterator[str]:
    """Says of each block what keeps it from being run as written."""
    outside = re.sub(r"(?ms)^```.*?^```$", "", text)
    if "```" in outside or "~~~" in outside:
        yield f"{page}: a block that does not begin and end with ``` at the beginning of a line"
    if re.search(r"(?m)^\n {4,}\S", outside):
        yield f"{page}: a block that is only indented"
    blocks = parse(page, text)
    for block in blocks:
        for fault in _faults_of(block, blocks):
            yield f"{block.place}: {fault}"


def _faults_of(block: Block, blocks: list[Block]) -> Iterator[str]:
    if block.language not in WORDS:
        yield f"{block.language or 'no'} language; say one of {', '.join(WORDS)}"
        return
    for word in block.words.keys() - WORDS[block.language]:
        yield f"{word} says nothing of a {block.language} block"
    if not block.text.strip():
        yield "it is empty"
    if block.language in SHOWN:
        for line in filter(_COMMAND.fullmatch, map(str.strip, block.text.splitlines())):
            yield f"{line!r} is a command that is not run"
    elif block.language == "bash":
        yield from _faults_of_commands(block, blocks)
    elif block.language == "output":
        yield from _faults_of_output(block, blocks)
    else:
        name = block.words.get("file", "")
        later = [b.text for b in blocks if b.language == "bash" and b.line > block.line]
        if not name or not any(name in text for text in later):
            yield "it is saved under no name (file=) that a later block runs"


def _faults_of_commands(block: Block, blocks: list[Block]) -> Iterator[str]:
    beneath = any(other.is_beneath is block for other in blocks)
    if "not-run" in block.words:
        allowed = NOT_RUN.get(block.words["not-run"])
        if allowed is None or len(block.words) > 1 or beneath:
            yield f"not-run must say alone why: {', '.join(NOT_RUN)}; and has no output"
            return
        for command in commands(block.text):
            if not re.fullmatch(allowed, command):
                yield f"{command!r} is not what {block.words['not-run']} may keep from being run"
        return
    prose = " ".join(block.prose.split()).lower()
    for shell in block.shells:
        if block.shells != [FIRST] and f"{shell} shell" not in prose:
            yield f"the text above does not name the {shell} shell"
    if "ctrl-c" in block.words and "ctrl-c" not in prose:
        yield "the text above does not say Ctrl-C"
    for word in block.words.keys() & {"keeps-running", "fails"}:
        if not beneath:
            yield f"{word} needs its output beneath"


def _faults_of_output(block: Block, blocks: list[Block]) -> Iterator[str]:
    if "shell" not in block.words:
        above = block.is_beneath
        if above is None or above.language != "bash":
            yield "output must be directly beneath its commands, or name its shell"
        if "ends" in block.words:
            yield "ends needs a shell"
        return
    prose = " ".join(block.prose.split()).lower()
    if f"{block.words['shell']} shell" not in prose:
        yield f"the text above does not name the {block.words['shell']} shell"
