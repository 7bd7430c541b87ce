"""Certificates for a broker of the tests: good ones, and those that a client should not take."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

__all__ = ["Authority"]

_YEAR: Final = timedelta(days=365)
_DAY: Final = timedelta(days=1)
_MAY_SIGN: Final = x509.KeyUsage(
    key_cert_sign=True, crl_sign=True, digital_signature=False, content_commitment=False,
    key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
    decipher_only=False,
)  # fmt: skip


class Authority:
    """One that signs; two of them do not know each other.

    Parameters
    ----------
    folder
        Where its files are written.
    name
        What it calls itself, and how its files begin.

    Attributes
    ----------
    file
        Its own certificate, as ``kafka.security.ca_file`` wants it.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = _called(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        own = (
            self._draft(name, self._key, _YEAR)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_MAY_SIGN, critical=True)
        )
        self._certificate = own.sign(self._key, hashes.SHA256())
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self._certificate.public_bytes(Encoding.PEM))

    def _draft(
        self, subject: str, key: ec.EllipticCurvePrivateKey, lasts: timedelta
    ) -> x509.CertificateBuilder:
        until = datetime.now(UTC) + lasts
        return (
            x509.CertificateBuilder()
            .subject_name(_called(subject))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(until - _YEAR - _DAY)
            .not_valid_after(until)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )

    def keystore(self, host: str, lasts: timedelta = _YEAR) -> bytes:
        """Return a new key and its certificate, as a broker wants them.

        Parameters
        ----------
        host
            The address or the name that it is for.
        lasts
            From now on; less than nothing: it has expired.
        """
        try:
            names: x509.GeneralName = x509.IPAddress(ip_address(host))
        except ValueError:
            names = x509.DNSName(host)
        key = ec.generate_private_key(ec.SECP256R1())
        draft = self._draft(host, key, lasts).add_extension(
            x509.SubjectAlternativeName([names]), critical=False
        )
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return secret + draft.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _called(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
