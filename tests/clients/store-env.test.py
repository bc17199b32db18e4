"""`eval "$(gantry store-env)"`, and then whatever comes: commands of ours, boto3 and the AWS CLI, from the environment alone."""

import hashlib
import os
import subprocess
import sys
import unittest
import urllib.request

from service import GANTRY, Service

BODY = b"what a tool has put there"
BIN = os.path.dirname(sys.executable)


class StoreEnvironment(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = Service()

    def shell(self, script):
        """What a shell prints that has evaluated the line of the guide for operators and knows no other AWS settings."""
        env = {name: value for name, value in self.service.env.items() if not name.startswith("AWS_")}
        env |= {"PATH": f"{BIN}:{env['PATH']}", "GANTRY": GANTRY, "HOME": self.service.dir, "PYTHON": sys.executable}
        line = 'set -euo pipefail; eval "$("$GANTRY" store-env)"\n'
        done = subprocess.run(["bash", "-c", line + script], env=env, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def fetch(self, url):
        self.assertIn("X-Amz-Algorithm=AWS4-HMAC-SHA256", url)
        with urllib.request.urlopen(url) as answer:
            return answer.read()

    def test_our_own_commands_go_on(self):
        self.assertIn("are valid", self.shell('"$GANTRY" check-config'))
        self.assertIn('"id"', self.shell('"$GANTRY" key list'))

    def test_the_aws_cli_presigns(self):
        script = 'printf %s "$BODY" >"$HOME/body"; aws s3 cp --quiet "$HOME/body" "s3://$GANTRY_BUCKET/by-cli"\n'
        url = self.shell(f'BODY="{BODY.decode()}"; {script} aws s3 presign "s3://$GANTRY_BUCKET/by-cli"')
        self.assertEqual(self.fetch(url), BODY)

    def test_boto3_presigns_for_both_directions(self):
        program = """
import boto3, os
s3, bucket = boto3.client("s3"), os.environ["GANTRY_BUCKET"]
print(s3.get_bucket_location(Bucket=bucket)["LocationConstraint"], os.environ["AWS_REGION"])
for method in ("put_object", "get_object"):
    print(s3.generate_presigned_url(method, Params={"Bucket": bucket, "Key": "by-boto3"}))
"""
        regions, put, get = self.shell(f"\"$PYTHON\" - <<'END'\n{program}\nEND").splitlines()
        self.assertEqual(*regions.split())
        request = urllib.request.Request(put, BODY, {"Content-Type": ""}, method="PUT")
        with urllib.request.urlopen(request) as answer:
            self.assertEqual(answer.headers["ETag"], f'"{hashlib.md5(BODY).hexdigest()}"')
        self.assertEqual(self.fetch(get), BODY)


if __name__ == "__main__":
    unittest.main(verbosity=2)
