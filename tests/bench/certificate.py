"""A throw-away certificate for 127.0.0.1, made by openssl."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.bench.errors import BenchError


@dataclass(frozen=True)
class Certificate:
    """PEM files of a self-signed certificate and its key."""

    cert: Path
    key: Path

    @classmethod
    def make(cls, folder: Path) -> "Certificate":
        """An ECDSA one on P-256, valid for two days. BenchError: openssl is absent or refuses."""
        made = cls(folder / "cert.pem", folder / "key.pem")
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
        command += ["-out", str(made.cert), "-keyout", str(made.key)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except FileNotFoundError:
            raise BenchError("openssl is not installed: apt-get install openssl") from None
        except subprocess.CalledProcessError as error:
            raise BenchError(f"openssl made no certificate: {error.stderr.strip()}") from None
        return made
