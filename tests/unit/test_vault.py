"""How secrets of webhooks are kept: sealed if there is a key, and opened by each key there is."""

from base64 import b64decode
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from countermand.engine.vault import PREFIX, SECRET_BYTES, Vault, VaultRefused


def key_file(folder: Path, *keys: bytes) -> Path:
    file = folder / "keys"
    file.write_bytes(b"\n".join(keys))
    return file


def test_a_secret_has_32_bytes_that_nobody_had_before() -> None:
    made = {Vault().make() for _ in range(10)}
    assert len(made) == 10
    assert {len(b64decode(one.removeprefix(PREFIX))) for one in made} == {SECRET_BYTES}


def test_without_a_key_a_secret_is_kept_as_it_is() -> None:
    assert Vault().seal("whsec_a") == "whsec_a"
    assert Vault().open("whsec_a") == "whsec_a"


def test_with_a_key_it_is_sealed_and_what_was_not_is_opened_too(tmp_path: Path) -> None:
    vault = Vault(key_file(tmp_path, Fernet.generate_key()))
    sealed = vault.seal("whsec_a")
    assert "whsec_a" not in sealed
    assert vault.open(sealed) == vault.open("whsec_a") == "whsec_a"


def test_after_a_new_key_is_put_first_what_the_old_one_sealed_is_opened(tmp_path: Path) -> None:
    old, new = Fernet.generate_key(), Fernet.generate_key()
    sealed = Vault(key_file(tmp_path, old)).seal("whsec_a")
    both = Vault(key_file(tmp_path, new, old))
    assert both.open(sealed) == "whsec_a"
    with pytest.raises(VaultRefused):
        Vault(key_file(tmp_path, old)).open(both.seal("whsec_b"))


def test_what_no_key_opens_is_refused_without_a_word_of_it(tmp_path: Path) -> None:
    sealed = Vault(key_file(tmp_path, Fernet.generate_key())).seal("whsec_a")
    for vault in (Vault(), Vault(key_file(tmp_path, Fernet.generate_key()))):
        with pytest.raises(VaultRefused) as refusal:
            vault.open(sealed)
        assert sealed not in str(refusal.value)


@pytest.mark.parametrize("text", [b"", b"short", b"\xff" * 44, b"a" * 44 + b" b"])
def test_a_file_without_keys_is_refused(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(VaultRefused, match="--secrets-key"):
        Vault(key_file(tmp_path, text))
    with pytest.raises(VaultRefused, match="No such file"):
        Vault(tmp_path / "missing")
