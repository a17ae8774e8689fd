"""`countermand store`, as a person and a program use it."""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from countermand.cli.main import run
from countermand.cli.store_work import human
from countermand.store.names import LOOKED_AFTER_ELSEWHERE
from countermand.store.sqlite.connection import migrate
from countermand.store.sqlite.statements import migrations, rules


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store, `countermand.db`, in the folder in which the command runs."""
    for name in list(os.environ):
        if name.startswith("COUNTERMAND_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    with closing(sqlite3.connect("countermand.db", isolation_level=None)) as raw:
        migrate(raw)
    return tmp_path


def shown(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    out, err = capsys.readouterr()
    return out, err


def test_a_backup_says_what_is_in_it_to_people_and_programs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["store", "backup", "one.db"]) == 0
    people, err = shown(capsys)
    assert err == ""
    assert people.startswith("store          one.db\nschema ")
    assert "oldest task    -" in people
    assert run(["store", "backup", "two.db", "--json"]) == 0
    found = json.loads(shown(capsys)[0])
    assert (found["store"], found["schema"]) == ("two.db", migrations()[-1][0])
    assert (found["counts"]["tasks"], found["newest_time"]) == (0, None)
    for words in (["--store", "sqlite:///two.db"], ["two.db"]):
        assert run(["store", "info", "--json", *words]) == 0
        assert json.loads(shown(capsys)[0]) == found


def test_a_check_ends_with_1_when_something_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["store", "check"]) == 0
    newest = migrations()[-1][0]
    sound = f"countermand.db is sound (schema {newest}, {len(rules())} rules hold)\n"
    assert shown(capsys) == (sound, "")
    with closing(sqlite3.connect("countermand.db")) as raw:
        raw.execute("INSERT INTO task_labels VALUES (1, 1, 1)")
        raw.commit()
    assert run(["store", "check"]) == 1
    assert shown(capsys) == ("a label is of a task that is not there\n", "")
    assert run(["store", "check", "--json"]) == 1
    found = json.loads(shown(capsys)[0])
    assert found["faults"] == ["a label is of a task that is not there"]


def test_a_store_of_an_older_schema_is_sound_and_says_what_was_not_held(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with closing(sqlite3.connect("countermand.db")) as raw:
        raw.execute("PRAGMA user_version = 3")
    assert run(["store", "check"]) == 0
    assert shown(capsys)[0] == (
        "countermand.db is sound (schema 3, an older one: rules not held)\n"
    )


def test_a_store_is_restored_and_compacted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["store", "backup", "backup.db"]) == 0
    monkeypatch.setenv("COUNTERMAND_STORE", "sqlite:///new.db")
    assert run(["store", "restore", "backup.db"]) == 0
    assert "store          new.db\n" in shown(capsys)[0]
    assert run(["store", "restore", "backup.db"]) == 1
    assert shown(capsys) == (
        "",
        "countermand: there is a store new.db already: --replace replaces it\n",
    )
    assert run(["store", "restore", "backup.db", "--replace", "--json"]) == 0
    assert json.loads(shown(capsys)[0])["store"] == "new.db"
    assert run(["store", "compact", "--json"]) == 0
    sizes = json.loads(shown(capsys)[0])
    assert sizes["bytes_before"] >= sizes["bytes_after"] > 0
    assert run(["store", "compact"]) == 0
    assert shown(capsys)[0].endswith(" KiB now\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["info", "gone.db"], "there is no store gone.db"),
        (["check", "--store", "sqlite:///gone.db"], "there is no store gone.db"),
        (["check", "--store", "gone.db"], "the store must be sqlite:/// and a path, not gone.db"),
        (
            ["check", "--store", "postgresq://u:secret@h/db"],
            "the store must be sqlite:/// and a path, not postgresq://***@h/db",
        ),
        (["info", "--store", "postgresql://u:secret@h/db"], LOOKED_AFTER_ELSEWHERE),
        (["backup", "b.db", "--store", "postgresql://u:secret@h/db"], LOOKED_AFTER_ELSEWHERE),
        (["restore", "b.db", "--store", "postgres://u:secret@h/db"], LOOKED_AFTER_ELSEWHERE),
        (["compact", "--store", "postgresql:nonsense"], LOOKED_AFTER_ELSEWHERE),
        (["backup", "."], "is there already, and is not overwritten"),
        (["backup", "countermand.db"], "countermand.db is there already, and is not overwritten"),
        (["backup", "gone/b.db"], "cannot write gone/b.db: No such file or directory"),
        (["restore", "gone.db"], "there is no backup gone.db"),
        (["restore", "countermand.db"], "countermand.db is the store itself"),
        (["compact", "--store", "sqlite:///gone.db"], "there is no store gone.db"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    before = {path.name for path in folder.iterdir()}
    assert run(["store", *words]) == 1
    out, err = shown(capsys)
    assert out == ""
    assert err.startswith("countermand: ")
    assert err.endswith(f"{said}\n")
    assert err.count("\n") == 1
    assert {path.name for path in folder.iterdir()} == before


def test_sizes_have_a_unit() -> None:
    sizes = [0, 1023, 1024, 1536, 5 << 20, 3 << 30, 2 << 40, 1 << 60]
    assert [human(size) for size in sizes] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.5 KiB",
        "5.0 MiB",
        "3.0 GiB",
        "2.0 TiB",
        "1048576.0 TiB",
    ]


@pytest.mark.parametrize(
    ("store", "said"),
    [
        ("sqlite:///countermand.db", "`serve` itself brings a store on SQLite up to date"),
        ("postgresql://u:secret@h", "the store must be postgresql://USER:PASSWORD@HOST:PORT"),
        ("postgresql://u:secret@127.0.0.1:1/db", "postgresql://u@127.0.0.1:1/db: the database is"),
    ],
)
def test_what_cannot_be_migrated_is_said_in_one_line_without_its_password(
    store: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["migrate", "--store", store]) == 1
    out, err = shown(capsys)
    assert (out, err.count("\n")) == ("", 1)
    assert said in err
    assert "secret" not in err
