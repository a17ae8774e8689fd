"""The secrets of webhooks: how they are made, and how they are kept."""

import secrets
from base64 import b64encode
from pathlib import Path

PREFIX = "whsec_"
SECRET_BYTES = 32
_SEALED = "sealed:"


class VaultRefused(Exception):
    """The secrets cannot be kept, or opened; the text says why, for the operator."""


class Vault:
    """Seals secrets before they are stored, if the operator gave a key for it.

    A secret must be known to sign with it, so without such a key whoever reads the store, or its
    backup, reads the secrets.
    """

    def __init__(self, keys: Path | None = None) -> None:
        """The file has one key or more, one in each line: the first seals, each opens.

        Raises VaultRefused.
        """
        self._cipher = None
        if keys is None:
            return
        from cryptography.fernet import Fernet, MultiFernet

        try:
            lines = keys.read_text(encoding="ascii").split()
            if not lines:
                raise ValueError("it is empty")
            self._cipher = MultiFernet([Fernet(line) for line in lines])
        except OSError as error:
            raise VaultRefused(f"--secrets-key {keys}: {error.strerror}") from None
        except ValueError:
            raise VaultRefused(
                f"--secrets-key {keys}: it must have lines of 32 bytes in URL-safe base64 each"
            ) from None

    def make(self) -> str:
        """Returns a new secret."""
        return PREFIX + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()

    def seal(self, secret: str) -> str:
        """Returns a secret as it is stored."""
        if self._cipher is None:
            return secret
        return _SEALED + self._cipher.encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str:
        """Returns a secret that was stored. Raises VaultRefused without the key that sealed it."""
        if not sealed.startswith(_SEALED):
            return sealed
        if self._cipher is None:
            raise VaultRefused("the store has sealed secrets of webhooks: give --secrets-key")
        from cryptography.fernet import InvalidToken

        try:
            return self._cipher.decrypt(sealed.removeprefix(_SEALED)).decode()
        except InvalidToken:
            raise VaultRefused(
                "--secrets-key does not open the secrets of webhooks in the store"
            ) from None
