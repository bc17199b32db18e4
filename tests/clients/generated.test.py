"""The contract as openapi-python-client takes it: a client is generated, imported, and does what it says with a service."""

import os
import subprocess
import sys
import unittest

from service import Service


# Types of ours and of the protocols that the generator does not know; what they carry, it may take for what it knows.
CONFIG = """
content_type_overrides:
  application/partial-upload: application/octet-stream
  application/offset+octet-stream: application/octet-stream
  application/xml: text/plain
  application/openmetrics-text: text/plain
  application/x-ndjson: text/plain
  text/event-stream: text/plain
  "*/*": application/octet-stream
"""


class Generated(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = Service()
        generator = os.path.join(os.path.dirname(sys.executable), "openapi-python-client")
        command = [generator, "generate", "--url", f"{cls.service.url}/openapi.json", "--meta", "none"]
        command += ["--output-path", f"{cls.service.dir}/generated_gantry", "--fail-on-warning"]
        with open(f"{cls.service.dir}/generator.yaml", "w") as file:
            file.write(CONFIG)
        command += ["--config", f"{cls.service.dir}/generator.yaml"]
        # Its formatter is one of the tools beside it.
        path = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
        done = subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(done.stdout + done.stderr)
        sys.path.insert(0, cls.service.dir)

    def client(self, key):
        from generated_gantry import AuthenticatedClient

        return AuthenticatedClient(base_url=self.service.url, token=key)

    def test_an_upload_and_a_key(self):
        from generated_gantry.api.keys import create_key, list_keys
        from generated_gantry.api.uploads import complete_upload, create_upload, get_limits
        from generated_gantry.models import CompletedPart, Completion, NewKey, NewUpload, Problem, UploadMethod

        with self.client(self.service.key) as client:
            opened = create_upload.sync(client=client, body=NewUpload(filename="a.txt", size=5, method=UploadMethod.APPEND))
            self.assertEqual((opened.upload.state, opened.asset.filename), ("open", "a.txt"))
            refused = complete_upload.sync(opened.upload.id, client=client, body=Completion())
            self.assertIsInstance(refused, Problem)
            self.assertEqual(refused.code, "incomplete")
            self.assertGreater(get_limits.sync(client=client).max_size, 1 << 40)
            made = create_key.sync(client=client, body=NewKey(name="shop", scopes=["read"], expires_in="90d"))
            self.assertTrue(made.key.startswith("gk_"))
            self.assertIn(made.id, [key.id for key in list_keys.sync(client=client).keys])
            self.assertEqual(CompletedPart(part=1).part, 1)
        with self.client("gk_nonsense") as client:
            self.assertEqual(get_limits.sync(client=client).max_parts, 10_000)
            self.assertEqual(list_keys.sync(client=client).code, "unauthenticated")


if __name__ == "__main__":
    unittest.main(verbosity=2)
