"""Addresses of databases: what is refused, and that no password is ever shown."""

import pytest

from countermand.store.contract import StoreRefused
from countermand.store.postgres.address import parse_address, without_password

SECRET = "hunter2secret"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://",
        "postgresql:///",
        "postgresql://host",
        "postgresql://host/",
        f"postgresql://u:{SECRET}@host",
        f"postgresql://u:{SECRET}@host:port/db",
        f"postgresql://u:{SECRET}@h:99999999/db",
        f"postgresql://u:{SECRET}@ss@host/db",
        f"postgresql://u:{SECRET}/ss@host/db",
        f"postgresql://u:{SECRET}?x@host/db",
        f"postgresql://u:{SECRET}#x@host/db",
        f"postgresql://u:a:{SECRET}@host/db",
        f"postgresql://u:{SECRET} x@host/db",
        f"postgresql://u:%zz{SECRET}@host/db",
        f"postgresql://u:{SECRET}%00@host/db",
        f"postgresql://u:{SECRET}@[::1/db",
        f"postgresql://u:{SECRET}@h1,,h2/db",
        f"postgresql://u:{SECRET}@host/db?nonsense=1",
        f"postgresql://u:{SECRET}@host/db?password={SECRET}x&y",
        f"postgresql://u:{SECRET}@host/db?client_encoding=latin1",
        f"postgresql://u:{SECRET}@host/db?options=-csearch_path%3Dx",
        f"postgresql://u:{SECRET}@host/db?replication=database",
        f"postgresql://u:{SECRET}@host/db?service=other",
        f"postgresql://u:{SECRET}@host/db\n",
        f"postgresql+psycopg://u:{SECRET}@host/db",
        f"host=h user=u password={SECRET}",
    ],
)
def test_an_address_that_cannot_be_meant_is_refused_in_one_line_without_its_password(url):
    with pytest.raises(StoreRefused) as refusal:
        parse_address(url)
    said = str(refusal.value)
    assert SECRET not in said
    assert len(said.splitlines()) == 1
    assert said.isprintable()


@pytest.mark.parametrize(
    ("url", "shown", "servers"),
    [
        ("postgresql://h/db", "postgresql://h/db", ["h"]),
        (f"postgres://u:{SECRET}@h:5433/db", "postgresql://u@h:5433/db", ["h:5433"]),
        (
            f"postgresql://u:{SECRET}@h1:1,h2:2,h3:3/db?sslmode=require",
            "postgresql://u@h1:1,h2:2,h3:3/db",
            ["h1:1", "h2:2", "h3:3"],
        ),
        ("postgresql://u@[::1]:5432/db", "postgresql://u@[::1]:5432/db", ["::1:5432"]),
        ("postgresql://u@h1,h2/db", "postgresql://u@h1,h2/db", ["h1", "h2"]),
    ],
)
def test_an_address_says_which_servers_there_are(url, shown, servers):
    address = parse_address(url)
    assert str(address) == shown
    assert SECRET not in repr(address)
    assert [str(server) for server in address.servers] == servers


def test_a_server_that_is_gone_is_noticed_within_seconds_unless_the_address_says_otherwise():
    assert parse_address("postgresql://h/db").parameters["tcp_user_timeout"] == 10_000
    given = parse_address("postgresql://h/db?tcp_user_timeout=9000").parameters
    assert given["tcp_user_timeout"] == "9000"


@pytest.mark.parametrize("password", [SECRET, "p%40ss%2Fword"])
def test_the_password_is_taken_out_of_what_others_say(password):
    address = parse_address(f"postgresql://u:{password}@h/db")
    said = f"no {address.parameters['password']}, no entry"
    assert without_password(address, said) == "no ***, no entry"
