"""Which settings and files a server can be started with, and what it says of the others."""

from pathlib import Path

import pytest

from countermand.app.settings import Settings
from countermand.rpc.listening.certificates import (
    CertificateRefused,
    client_name,
    read_authorities,
    read_pair,
)
from tests.support.certificates import Authority, Pair

CERT, KEY, CA = Path("a.pem"), Path("a.key"), Path("ca.pem")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def pair(authority: Authority) -> Pair:
    return authority.issue("server", "localhost")


@pytest.mark.parametrize(
    "listen", ["127.0.0.1:0", "127.9.9.9:50051", "localhost:50051", "[::1]:50051"]
)
def test_on_loopback_nothing_need_be_encrypted(listen: str):
    Settings(listen=listen)


@pytest.mark.parametrize(
    "listen", ["192.0.2.1:50051", "0.0.0.0:1", "[::]:1", "example.com:1", "[2001:db8::1]:1"]
)
def test_elsewhere_it_must_be_or_be_said_in_words(listen: str):
    with pytest.raises(ValueError, match="is not a loopback address"):
        Settings(listen=listen)
    Settings(listen=listen, insecure=True)
    Settings(listen=listen, tls_cert=CERT, tls_key=KEY)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"tls_cert": CERT}, "--tls-cert and --tls-key belong together"),
        ({"tls_key": KEY}, "--tls-cert and --tls-key belong together"),
        ({"tls_client_ca": CA}, "--tls-client-ca needs --tls-cert and --tls-key"),
        ({"tls_cert": CERT, "tls_key": KEY, "insecure": True}, "contradict each other"),
    ],
)
def test_what_cannot_be_meant_is_refused(fields: dict, said: str):
    with pytest.raises(ValueError, match=said):
        Settings(**fields)


def test_a_pair_and_authorities_are_read_as_they_are(authority: Authority, pair: Pair):
    assert read_pair(*pair) == (pair.cert.read_bytes(), pair.key.read_bytes())
    assert read_authorities(authority.file) == authority.file.read_bytes()


def test_what_is_no_pair_is_refused_with_the_reason(
    authority: Authority, pair: Pair, tmp_path: Path
):
    missing, empty = tmp_path / "missing.pem", tmp_path / "empty.pem"
    empty.touch()
    other = authority.issue("other", "localhost")
    for cert, key, said in (
        (missing, pair.key, f"cannot read {missing}: No such file or directory"),
        (pair.cert, missing, f"cannot read {missing}: No such file or directory"),
        (pair.cert, tmp_path, f"cannot read {tmp_path}: Is a directory"),
        (pair.cert, other.key, f"{other.key} is not the key of {pair.cert}"),
        (pair.cert, empty, f"{pair.cert} or {empty} is not PEM, or the key is encrypted"),
        (pair.key, pair.key, f"{pair.key} or {pair.key} is not PEM, or the key is encrypted"),
    ):
        with pytest.raises(CertificateRefused) as caught:
            read_pair(cert, key)
        assert str(caught.value) == said


def test_an_encrypted_key_is_refused_and_no_password_is_asked_for(pair: Pair, tmp_path: Path):
    from cryptography.hazmat.primitives import serialization as s

    key = s.load_pem_private_key(pair.key.read_bytes(), None)
    how = s.BestAvailableEncryption(b"secret")
    encrypted = tmp_path / "encrypted.key"
    encrypted.write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, how))
    with pytest.raises(CertificateRefused, match="the key is encrypted"):
        read_pair(pair.cert, encrypted)


def test_what_are_no_authorities_is_refused_with_the_reason(pair: Pair, tmp_path: Path):
    junk = tmp_path / "junk.pem"
    for content in (b"", b"junk", b"\xff\x00"):
        junk.write_bytes(content)
        with pytest.raises(CertificateRefused, match="has no certificates in PEM"):
            read_authorities(junk)
    with pytest.raises(CertificateRefused, match="cannot read"):
        read_authorities(tmp_path / "missing.pem")
    with pytest.raises(CertificateRefused, match="has no certificates in PEM"):
        read_authorities(pair.key)


@pytest.mark.parametrize(
    ("names", "common", "found"),
    [
        ([b"spiffe://example/agent", b"agent.example"], [b"x"], "spiffe://example/agent"),
        ([], [b"agent"], "agent"),
        ([], [b"\xff"], "\\xff"),
        ([], [b"a\0b\xed\xa0\x80"], "a\\x00b\\xed\\xa0\\x80"),
        ([], [], ""),
    ],
)
def test_a_client_s_name_is_its_first_alternative_name_or_its_common_name(names, common, found):
    shown = {"x509_subject_alternative_name": names, "x509_common_name": common}
    assert client_name(shown) == found
    assert client_name({}) == ""
