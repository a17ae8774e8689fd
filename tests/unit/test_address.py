"""HOST:PORT: what is taken, and what gRPC would take for something else."""

from ipaddress import ip_address

import pytest

from countermand.app.address import Address, is_loopback, parse_address
from countermand.app.settings import Settings

LONG = "a" * 64


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:50051", "127.0.0.1", 50051),
        ("127.0.0.1:0", "127.0.0.1", 0),
        ("127.0.0.1:65535", "127.0.0.1", 65535),
        ("127.0.0.1:00080", "127.0.0.1", 80),
        ("0.0.0.0:1", "0.0.0.0", 1),
        ("[::1]:50051", "::1", 50051),
        ("[::]:50051", "::", 50051),
        ("[2001:DB8:0::1]:50051", "2001:db8::1", 50051),
        ("[::ffff:127.0.0.1]:1", "::ffff:7f00:1", 1),
        ("localhost:50051", "localhost", 50051),
        ("shop-7.example.:50051", "shop-7.example.", 50051),
        ("my_host:50051", "my_host", 50051),
        ("xn--bcher-kva.example:1", "xn--bcher-kva.example", 1),
    ],
)
def test_a_host_is_a_name_or_an_address_and_a_port_is_a_number(text, host, port):
    found = parse_address(text)
    assert found == Address(host, port)
    assert parse_address(str(found)) == found


PORT = "its port is no number"
HOST = "neither an IP address nor a name"
MALFORMED = [
    # gRPC takes these modulo 65536.
    ("127.0.0.1:65536", PORT),
    ("127.0.0.1:115587", PORT),
    ("[::1]:115587", PORT),
    ("127.0.0.1:4294967296", PORT),
    # Services, signs, blanks, other digits.
    ("127.0.0.1:http", PORT),
    ("localhost:https", PORT),
    ("127.0.0.1:-1", PORT),
    ("127.0.0.1:+80", PORT),
    ("127.0.0.1: 80", PORT),
    ("127.0.0.1:80 ", PORT),
    ("127.0.0.1:80\n", PORT),
    ("127.0.0.1:8_0", PORT),
    ("127.0.0.1:²", PORT),
    ("127.0.0.1:٨٠", PORT),
    ("127.0.0.1:0x50", PORT),
    ("127.0.0.1:", PORT),
    (" 127.0.0.1:80", "no IPv4 address"),
    ("127.0.0.1 :80", HOST),
    ("\tlocalhost:80", HOST),
    # No port, or no host.
    ("127.0.0.1", "it has no port"),
    ("localhost", "it has no port"),
    ("", "it has no port"),
    (":50051", "its host is missing"),
    (":", PORT),
    # Other kinds of sockets and schemes.
    ("unix:/tmp/socket", PORT),
    ("unix-abstract:name", PORT),
    ("vsock:1:2", "brackets"),
    ("ipv4:127.0.0.1:80", "brackets"),
    ("dns:localhost:80", "brackets"),
    ("dns:///localhost:80", "brackets"),
    ("http://localhost:80", "brackets"),
    ("localhost/x:80", HOST),
    ("user@localhost:80", HOST),
    # IPv6, and what looks like it.
    ("::1:50051", "brackets"),
    ("[::1]", PORT),
    ("[::1]x:80", "brackets"),
    ("[fe80::1%lo]:80", "a zone is not supported"),
    ("[::1%25lo]:80", "a zone is not supported"),
    ("[127.0.0.1]:80", "no IPv6 address"),
    ("[localhost]:80", "no IPv6 address"),
    ("[]:80", "no IPv6 address"),
    ("[v1.x]:80", "no IPv6 address"),
    # Shapes of IPv4 that the C library knows.
    ("127.1:80", "no IPv4 address"),
    ("0:80", "no IPv4 address"),
    ("2130706433:80", "no IPv4 address"),
    ("0x7f.1:80", "no IPv4 address"),
    ("0x7f000001:80", "no IPv4 address"),
    ("127.0.0.256:80", "no IPv4 address"),
    ("127.0.0.01:80", "no IPv4 address"),
    ("127.0.0.1.:80", "no IPv4 address"),
    # Names that are none.
    ("-x:80", HOST),
    ("a..b:80", HOST),
    (".:80", HOST),
    ("*:80", HOST),
    ("bücher.example:80", HOST),
    (f"{LONG}:80", HOST),
    ("a." * 130 + "a:80", HOST),
]


@pytest.mark.parametrize(("text", "said"), MALFORMED)
def test_anything_else_is_refused_with_what_is_wrong(text, said):
    with pytest.raises(ValueError, match=said):
        parse_address(text)
    with pytest.raises(ValueError, match="--listen .*: .*" + said):
        Settings(listen=text, insecure=True)


def test_a_word_like_a_scheme_is_a_name_like_any_other():
    assert parse_address("unix:1") == Address("unix", 1)


@pytest.mark.parametrize(
    ("listen", "loopback"),
    [
        ("127.0.0.1:1", True),
        ("127.8.9.10:1", True),
        ("[::1]:1", True),
        ("[::ffff:127.0.0.1]:1", True),
        ("localhost:1", True),
        ("LocalHost.:1", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("[::ffff:0.0.0.0]:1", False),
        ("192.0.2.1:1", False),
        ("[fe80::1]:1", False),
        ("localhost.example:1", False),
        ("shop.example:1", False),
    ],
)
def test_without_encryption_only_this_machine_is_answered(listen, loopback):
    assert parse_address(listen).is_loopback is loopback
    assert Settings(listen=listen, insecure=True).address.port == 1
    if loopback:
        assert Settings(listen=listen).only_loopback
    else:
        with pytest.raises(ValueError, match="not a loopback address"):
            Settings(listen=listen)


@pytest.mark.parametrize(("text", "loopback"), [("127.0.1.1", True), ("::ffff:10.0.0.1", False)])
def test_an_address_that_a_name_stands_for_is_looked_at_too(text, loopback):
    assert is_loopback(ip_address(text)) is loopback
