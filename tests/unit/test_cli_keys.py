"""`countermand keys` on a store that no server has open: what it prints, and what it does."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from countermand.cli.key_account import account, is_admin
from countermand.cli.main import run
from countermand.v1.key_service_pb2 import Key, KeyLimits

Keys = Callable[..., str]


@pytest.fixture
def keys(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> Keys:
    """Runs `countermand keys` on an empty store; it must end with this status and say this to
    stderr. Returns what it printed."""
    for name in ("SERVER", "STORE", "API_KEY"):
        monkeypatch.delenv(f"COUNTERMAND_{name}", raising=False)

    def call(*arguments: str, status: int = 0, error: str = "") -> str:
        store = ("--store", f"sqlite:///{tmp_path / 'store.db'}")
        assert run(["keys", *arguments, *store]) == status
        printed = capsys.readouterr()
        assert printed.err.startswith(f"countermand: {error}" if error else "")
        assert bool(printed.err) == bool(error)
        return printed.out

    return call


def create(keys: Keys, *options: str, scope: str = "tasks:read") -> dict[str, Any]:
    """Makes a key. Returns it, with its secret."""
    printed = keys("create", "--tenant", "shop", "--scope", scope, "--json", *options)
    answer = json.loads(printed)
    return {**answer["key"], "secret": answer["secret"]}


def states(keys: Keys) -> list[str]:
    """Returns the states of all keys as the table shows them."""
    header, *lines = keys("list").splitlines()
    place = header.index("STATE")
    return [line[place:].split()[0] for line in lines]


def test_without_json_a_new_key_stands_alone(keys: Keys):
    printed = keys("create", "--tenant", "shop", "--scope", "tasks:read")
    assert printed.split() == [printed.removesuffix("\n")]
    assert printed.startswith("cmd_sandbox_")


def test_no_keys_are_an_empty_list(keys: Keys):
    assert json.loads(keys("list", "--json")) == []
    assert keys("list", error="nothing was found") == ""


def test_a_rotation_prints_the_new_key_alone_and_the_old_one_lives_on(keys: Keys):
    old = create(keys, "--open-watches", "3", "--environment", "production")
    printed = keys("rotate", old["key_id"], "--overlap", "1h")
    secret = printed.removesuffix("\n")
    assert secret.split() == [secret]
    new, kept = json.loads(keys("list", "--json"))
    assert secret.startswith(f"cmd_production_{new['key_id']}_")
    assert kept["successor_key_id"] == new["key_id"]
    assert new["limits"] == {"open_watches": 3}
    assert states(keys) == ["LIVE", "ROTATED"]


def test_a_key_is_rotated_once_and_then_its_successor_is(keys: Keys):
    old = create(keys)
    answer = json.loads(keys("rotate", old["key_id"], "--overlap", "0", "--json"))
    assert answer["secret"].split("_")[2] == answer["key"]["key_id"]
    keys("rotate", old["key_id"], status=1, error="KEY_NOT_FOUND: ")
    keys("rotate", answer["key"]["key_id"])
    assert states(keys) == ["LIVE", "ROTATED", "EXPIRED"]


def test_whoever_revokes_the_last_key_for_keys_is_told(keys: Keys):
    first, second = (create(keys, scope="keys:admin") for _ in range(2))
    other = create(keys)
    revoked = json.loads(keys("revoke", first["key_id"], "--json"))
    assert revoked["key"]["revoke_time"]
    keys("revoke", second["key_id"], error="no key with the scope keys:admin is left; ")
    keys("revoke", other["key_id"], error="no key with the scope keys:admin is left; ")
    create(keys, scope="keys:admin")
    keys("revoke", other["key_id"])
    assert states(keys) == ["LIVE", "REVOKED", "REVOKED", "REVOKED"]


def test_wrong_fields_are_refused_as_a_server_does(keys: Keys):
    wrong = ("create", "--tenant", "a b", "--scope", "x", "--environment", "y")
    keys(*wrong, "--reads-per-second", "1000001", status=1, error="INVALID_REQUEST: tenant: ")
    keys("rotate", "k", "--overlap", "31d", status=1, error="INVALID_REQUEST: overlap: ")
    keys("revoke", "nobody", status=1, error="KEY_NOT_FOUND: ")
    assert json.loads(keys("list", "--json")) == []


def at(**ago: float) -> Timestamp:
    """Returns a time before now."""
    time = Timestamp()
    time.FromDatetime(datetime.now(UTC) - timedelta(**ago))
    return time


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, "LIVE"),
        ({"expire_time": at(hours=-1)}, "LIVE"),
        ({"expire_time": at(hours=-1), "successor_key_id": "x"}, "ROTATED"),
        ({"expire_time": at(hours=1), "successor_key_id": "x"}, "EXPIRED"),
        ({"expire_time": at(hours=1)}, "EXPIRED"),
        ({"expire_time": at(hours=1), "revoke_time": at(hours=2)}, "REVOKED"),
        ({"revoke_time": at(hours=2)}, "REVOKED"),
    ],
)
def test_a_key_is_told_with_its_state(fields: dict[str, Any], state: str):
    key = Key(scopes=["keys:admin"], **fields)
    assert dict(account(key))["state"] == state
    assert is_admin(key) == (state in ("LIVE", "ROTATED"))
    assert not is_admin(Key(scopes=["tasks:read"], **fields))


def test_what_is_told_of_a_key():
    key = Key(
        key_id="k",
        name="till-7",
        created_by="admin",
        revoked_by="boss",
        tenant="shop",
        environment="sandbox",
        scopes=["tasks:read", "tasks:run"],
        create_time={"seconds": 0},
        expire_time={"seconds": 7},
        revoke_time={"seconds": 5},
        last_use_time={"seconds": 3},
        limits=KeyLimits(writes_per_second=1, open_watches=2),
    )
    assert account(key) == [
        ("key", "k"),
        ("name", "till-7"),
        ("state", "REVOKED"),
        ("tenant", "shop"),
        ("environment", "sandbox"),
        ("created", "-"),
        ("ends", "1970-01-01T00:00:05.000Z"),
        ("last use", "1970-01-01T00:00:03.000Z"),
        ("successor", "-"),
        ("limits", "writes/s=1,open_watches=2"),
        ("created by", "admin"),
        ("revoked by", "boss"),
        ("scopes", "tasks:read,tasks:run"),
    ]
