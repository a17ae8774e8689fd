"""Starts a server and Envoy before it, as `make http` does; both end together.

The server has a certificate that is made anew each time, so that all runs as it is deployed.
"""

import argparse
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import trustme

from countermand.app.standard_streams import complain, write_line
from generate.descriptors import whole_set

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
NAME = "countermand"
READY_SECONDS = 30.0


def find_envoy() -> Path | None:
    """Returns the program that `make envoy` installed, or else the system's."""
    own = Path(sys.prefix) / "envoy/bin/envoy"
    found = own if own.exists() else shutil.which("envoy")
    return Path(found) if found else None


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Writes a certificate for `countermand`, its key, and the ca.pem that Envoy checks it by."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    issued = authority.issue_cert(NAME, "localhost", "127.0.0.1")
    certificate, key = folder / "server.pem", folder / "server.key"
    issued.cert_chain_pems[0].write_to_path(str(certificate))
    key.touch(mode=0o600)
    issued.private_key_pem.write_to_path(str(key))
    return certificate, key


def configure(folder: Path, listen: str, server: str) -> Path:
    """Writes Envoy's files into the folder, for these HOST:PORT. Returns the main one."""
    (folder / "countermand.binpb").write_bytes(whole_set().SerializeToString(deterministic=True))
    shutil.copy(HERE / "response_body.lua", folder)
    text = (HERE / "envoy.yaml").read_text()
    for place, address in (
        ("0.0.0.0, port_value: 8080", listen),
        (f"{NAME}, port_value: 50051", server),
    ):
        host, _, port = address.rpartition(":")
        before, found, after = text.partition(f"address: {place}")
        if not found:
            raise RuntimeError(f"envoy.yaml has no {place}")
        text = f"{before}address: {host.strip('[]')}, port_value: {port}{after}"
    written = folder / "envoy.yaml"
    written.write_text(text)
    return written


def start_envoy(envoy: Path, configuration: Path, listen: str) -> "subprocess.Popen[bytes]":
    """Starts Envoy and waits until it has found its server. Raises RuntimeError if it does not."""
    command = [envoy, "-c", configuration.name, "--concurrency", "1", "--disable-hot-restart"]
    log = configuration.parent / "envoy.log"
    process = subprocess.Popen(
        [*command, "--log-level", "warning", "--log-path", log.name],
        cwd=configuration.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://{listen}/healthz", timeout=2):
                return process
        except OSError:
            time.sleep(0.05)
    process.kill()
    process.wait()
    raise RuntimeError(f"Envoy did not become ready; see {log}")


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description="Serve Countermand by gRPC and by HTTP.")
    parser.add_argument("--http-listen", default="127.0.0.1:8080", metavar="HOST:PORT")
    parser.add_argument("--folder", type=Path, default=PROJECT / "build/envoy")
    parser.add_argument("--envoy", type=Path, default=find_envoy(), metavar="PROGRAM")
    options, serve = parser.parse_known_args()
    if options.envoy is None or not options.envoy.exists():
        complain("needs Envoy: run `make envoy`, or put `envoy` in PATH")
        return 1
    certificate, key = make_certificate(options.folder)
    command = [Path(sys.executable).parent / NAME, "serve", *serve]
    # A Ctrl-C is for us alone: a second signal would keep the server from draining.
    server = subprocess.Popen(
        [*command, "--tls-cert", certificate, "--tls-key", key],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    proxy = None
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        if not line:
            return server.wait()
        write_line(sys.stdout, line.removesuffix("\n"))
        address = line.removeprefix("listening on ").strip()
        configuration = configure(options.folder, options.http_listen, address)
        proxy = start_envoy(options.envoy, configuration, options.http_listen)
        write_line(sys.stdout, f"HTTP on http://{options.http_listen}")
        while proxy.poll() is None and server.poll() is None:
            time.sleep(0.2)
        return server.poll() or proxy.poll() or 0
    except RuntimeError as error:
        complain(str(error))
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        for process in filter(None, (server, proxy)):
            process.terminate()
            process.wait()


if __name__ == "__main__":
    sys.exit(main())
