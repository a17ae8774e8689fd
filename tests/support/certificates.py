"""An authority of the test's own, and what it certifies, as PEM files."""

from pathlib import Path
from typing import NamedTuple

import grpc
import trustme


class Pair(NamedTuple):
    """A certificate and its key."""

    cert: Path
    key: Path


class Authority:
    """Certifies whom the test likes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ca = trustme.CA()
        self.file = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(self.file)

    def issue(self, file: str, *names: str, common_name: str | None = None) -> Pair:
        """Writes a new pair for these names to `file`.pem and `file`.key, over an older one."""
        issued = self._ca.issue_cert(*names, common_name=common_name)
        pair = Pair(self._folder / f"{file}.pem", self._folder / f"{file}.key")
        issued.private_key_pem.write_to_path(pair.key)
        pair.cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        return pair

    def credentials(self, pair: Pair | None = None) -> grpc.ChannelCredentials:
        """Returns what a client needs that trusts this authority, and shows a certificate."""
        files = (self.file, *((pair.key, pair.cert) if pair else ()))
        return grpc.ssl_channel_credentials(*(file.read_bytes() for file in files))
