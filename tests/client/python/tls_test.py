"""Clients over TLS, against a live server."""

import asyncio
import pathlib
import subprocess
import tempfile
import unittest

import trimtab
from live import ARTICLE, Server


def make_certificate(folder, name, san, issuer=None):
    """`name`.pem and `name`-key.pem, signed by `issuer` or by itself."""
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", f"/CN={name}"]
    out = ["-keyout", f"{name}-key.pem", "-out", f"{name}.pem"]
    by = ["-CA", f"{issuer}.pem", "-CAkey", f"{issuer}-key.pem", "-addext", f"subjectAltName={san}"] if issuer else []
    subprocess.run(["openssl", "req", "-x509", *new, *out, *by], cwd=folder, check=True, capture_output=True)


class TlsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.files = pathlib.Path(folder.name)
        make_certificate(cls.files, "ca", "")
        make_certificate(cls.files, "server", "DNS:trimtab.test", issuer="ca")
        make_certificate(cls.files, "client", "DNS:client", issuer="ca")
        flags = ["--tls-certificate", "server.pem", "--tls-key", "server-key.pem", "--tls-client-ca", "ca.pem"]
        server = Server(*[flag if flag.startswith("--") else cls.files / flag for flag in flags])
        cls.addClassCleanup(server.stop)
        cls.address = server.address

    def tls(self, **changed):
        whole = {"ca": "ca.pem", "certificate": "client.pem", "key": "client-key.pem"}
        files = {name: self.files / file for name, file in whole.items()}
        return trimtab.Tls(**{**files, "server_name": "trimtab.test", **changed})

    def test_both_clients_are_served(self):
        with trimtab.Client(self.address, tls=self.tls()) as client:
            text = client.summarize(ARTICLE).text

        async def ask():
            async with trimtab.AsyncClient(self.address, tls=self.tls()) as client:
                return (await client.summarize(ARTICLE)).text

        self.assertEqual(asyncio.run(ask()), text)

    def test_what_does_not_fit_is_unavailable(self):
        for tls in [
            None,
            self.tls(server_name=""),
            self.tls(ca=self.files / "client.pem"),
            self.tls(certificate=None, key=None),
        ]:
            with self.subTest(tls), trimtab.Client(self.address, tls=tls, max_attempts=1) as client:
                self.assertRaises(trimtab.Unavailable, client.model_info)

    def test_half_a_pair_is_refused(self):
        self.assertRaises(ValueError, trimtab.Tls, certificate=self.files / "client.pem")


if __name__ == "__main__":
    unittest.main()
