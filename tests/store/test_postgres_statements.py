"""The statements of PostgreSQL take and answer what those of SQLite do: one program runs both."""

import re

from countermand.store.postgres.statements import STATEMENTS as POSTGRES
from countermand.store.postgres.statements import columns_of_rows, statement, with_rows
from countermand.store.sqlite.statements import STATEMENTS as SQLITE

NAMES = sorted(SQLITE.texts)
COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/")
ROWS = re.compile(r"\(([^()]*)\)\s+AS\s+\(VALUES \{rows\}")
NAMED = re.compile(r"(?<!:):([a-z]\w*)")
AS_DIGITS = re.compile(
    r"lower\(hex\(([\w.]+)\)\)|hex\(([\w.]+)\)"
    r"|encode\(uuid_send\(([\w.]+)\), 'hex'\)|encode\(([\w.]+), 'hex'\)"
)


def _bare(text: str) -> str:
    return COMMENT.sub("", text)


def _parameters(text: str) -> tuple[list[str], int]:
    """The names of what a row has, or else of what is named; and how many only have a place."""
    bare = _bare(text)
    rows = ROWS.search(bare)
    if rows is not None:
        return [name.strip() for name in rows[1].split(",")], 0
    return sorted(set(NAMED.findall(bare))), bare.count("?")


def _arguments(text: str, begin: int) -> list[str]:
    """The arguments of the call whose parenthesis opened before a place."""
    found, depth, start = [], 0, begin
    for place in range(begin, len(text)):
        letter = text[place]
        if letter == "," and depth == 0:
            found.append(text[start:place])
            start = place + 1
        elif letter == "(":
            depth += 1
        elif letter == ")":
            depth -= 1
            if depth < 0:
                return [*found, text[start:place]]
    raise AssertionError(text)


def _answers(text: str, maker: str) -> list[list[str]]:
    """The columns of each array that a statement answers: their names, and `…` for what else."""
    bare = _bare(text)
    found = []
    for call in re.finditer(rf"\b{maker}\(", bare):
        columns = []
        for argument in _arguments(bare, call.end()):
            plain = AS_DIGITS.sub(lambda match: next(filter(None, match.groups())), argument)
            name = plain.strip().rpartition(".")[2]
            # A number stands in the place of what is not kept.
            columns.append(name if re.fullmatch(r"[^\W\d]\w*|'\w+'", name) else "…")
        found.append(columns)
    return found


def test_both_have_the_same_statements() -> None:
    assert sorted(POSTGRES.texts) == NAMES


def test_a_statement_takes_the_same_parameters_in_the_same_places() -> None:
    for name in NAMES:
        asked = _parameters(SQLITE.texts[name])
        assert _parameters(POSTGRES.texts[name]) == asked, name


def test_a_statement_answers_the_same_columns() -> None:
    numbered = {"rowid": "cart_no", "value": "cart_no"}
    for name in NAMES:
        asked = [
            [numbered.get(column, column) for column in columns]
            for columns in _answers(SQLITE.texts[name], "json_array")
        ]
        assert _answers(POSTGRES.texts[name], "json_build_array") == asked, name


def test_a_parameter_that_is_named_is_one_wherever_it_stands_and_has_the_type_of_its_name() -> None:
    found = statement("list_merchant")
    assert len(set(found.names)) == len(found.names)
    for number, name in enumerate(found.names, 1):
        kinds = set(re.findall(rf"\${number}::(\w+)", found.text))
        assert len(kinds) == 1, name
        assert f"${number}::" in found.text
    assert statement("task").names == ()
    assert "$2" in statement("task").text


def test_the_first_row_of_parameters_gives_the_others_their_types() -> None:
    assert columns_of_rows(POSTGRES.texts["load_tasks"]) == [
        ("namespace_no", "bigint"),
        ("task_id", "uuid"),
    ]
    assert "(VALUES ($1::bigint, $2::uuid), ($3, $4))" in with_rows("load_tasks", 2, 2)
    assert "(VALUES ($1::bigint, $2::bytea))" in with_rows("load_early_cancels", 1, 2)
