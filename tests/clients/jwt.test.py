"""Tokens that joserfc makes, with keys of every kind, from an issuer on this machine; and attacks with them."""

import base64
import hashlib
import hmac
import json
import threading
import time
import unittest
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from service import Service

SECRET = "a secret of more than thirty-two bytes, shared"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Login(BaseHTTPRequestHandler):
    """An OpenID provider: its configuration and its keys. `answer` may be anything else."""

    keys = {}
    asked = []
    answer = None

    def do_GET(self):
        Login.asked.append(self.path)
        base = f"http://127.0.0.1:{self.server.server_port}"
        if Login.answer:
            return Login.answer(self)
        if self.path == "/.well-known/openid-configuration":
            body = {"issuer": base, "jwks_uri": f"{base}/keys"}
        elif self.path == "/keys":
            body = {"keys": [dict(key.as_dict(private=False), kid=kid, use="sig") for kid, key in Login.keys.items()]}
        else:
            return self.send_error(404)
        self.reply(json.dumps(body).encode())

    def reply(self, body):
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Tokens(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        Login.keys = {
            "rsa": RSAKey.generate_key(2048),
            "ec": ECKey.generate_key("P-256"),
            "ec384": ECKey.generate_key("P-384"),
            "ed": OKPKey.generate_key("Ed25519"),
        }
        login = ThreadingHTTPServer(("127.0.0.1", 0), Login)
        threading.Thread(target=login.serve_forever, daemon=True).start()
        cls.issuer = f"http://127.0.0.1:{login.server_port}"
        cls.service = Service(
            # One address shows more wrong tokens here than a minute allows.
            GANTRY_LIMITS__FAILURES_PER_ADDRESS="0",
            GANTRY_ISSUERS__LOGIN__ISSUER=cls.issuer,
            GANTRY_ISSUERS__LOGIN__AUDIENCE="gantry, https://files.example",
            GANTRY_ISSUERS__LOGIN__ALGORITHMS="RS256, PS256, ES256, ES384, EdDSA",
            GANTRY_ISSUERS__LOGIN__TENANT="default",
            GANTRY_ISSUERS__LOGIN__SCOPES_CLAIM="realm_access.roles",
            GANTRY_ISSUERS__LOGIN__SCOPES_NAMES="uploader=upload, uploader=read, staff=admin",
            GANTRY_ISSUERS__LOGIN__LEEWAY="2s",
            GANTRY_ISSUERS__SHARED__ISSUER="backend",
            GANTRY_ISSUERS__SHARED__AUDIENCE="gantry",
            GANTRY_ISSUERS__SHARED__SECRET=SECRET,
            GANTRY_ISSUERS__SHARED__TENANT="default",
            GANTRY_KEY_SETS__PAUSE="1s",
            GANTRY_KEY_SETS__REFRESH="1s",
            GANTRY_KEY_SETS__KEEP="8s",
        )

    def claims(self, **more):
        claims = {"iss": self.issuer, "aud": "gantry", "sub": "alice", "exp": int(time.time()) + 300,
                  "realm_access": {"roles": ["uploader"]}, "jti": str(time.monotonic_ns()), **more}
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, kid="rsa", alg="RS256", key=None, header=None, **more):
        header = {"alg": alg, "typ": "JWT", "kid": kid, **(header or {})}
        return jwt.encode({name: value for name, value in header.items() if value is not None}, self.claims(**more),
                          key or Login.keys[kid], algorithms=[alg])

    def handmade(self, header, claims, sign=lambda text: b""):
        text = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"
        return f"{text}.{b64(sign(text.encode()))}"

    def ask(self, token, path="/v1/assets"):
        request = urllib.request.Request(self.service.url + path, headers={"Authorization": f"Bearer {token}"})
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, dict(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers)

    def status(self, token, path="/v1/assets"):
        return self.ask(token, path)[0]

    def test_every_kind_of_key(self):
        for kid, alg in [("rsa", "RS256"), ("rsa", "PS256"), ("ec", "ES256"), ("ec384", "ES384"), ("ed", "EdDSA")]:
            self.assertEqual(self.status(self.token(kid, alg)), 200, alg)
        self.assertEqual(self.status(self.token(typ="at+jwt", header={"typ": "at+jwt"})), 200)
        self.assertEqual(self.status(self.token(aud=["else", "https://files.example"], nbf=int(time.time()))), 200)

    def test_roles_become_scopes(self):
        self.assertEqual(self.status(self.token(), "/v1/keys"), 403)
        self.assertEqual(self.status(self.token(realm_access={"roles": ["staff"]}), "/v1/keys"), 200)
        self.assertEqual(self.status(self.token(realm_access=None)), 403)
        self.assertEqual(self.status(self.token(realm_access={"roles": ["admin"]}), "/v1/keys"), 403)

    def test_a_shared_secret(self):
        def signed(alg="HS256", secret=SECRET, **more):
            claims = self.claims(iss="backend", scope="read", **more)
            return jwt.encode({"alg": alg}, claims, OctKey.import_key(secret), algorithms=[alg])

        self.assertEqual(self.status(signed()), 200)
        self.assertEqual(self.status(signed(secret=SECRET + "x")), 401)
        self.assertEqual(self.status(signed(alg="HS512")), 401)
        self.assertEqual(self.status(self.token(iss="backend")), 401)

    def test_no_signature_and_the_wrong_kind_of_it(self):
        status, headers = self.ask(self.handmade({"alg": "none", "kid": "rsa"}, self.claims()))
        self.assertEqual((status, headers["www-authenticate"]), (401, 'Bearer error="invalid_token"'))
        for alg in ("None", "NONE", "", None, 5):
            self.assertEqual(self.status(self.handmade({"alg": alg, "kid": "rsa"}, self.claims())), 401, alg)
        # The public key, in every spelling, as the secret of an HMAC.
        key = Login.keys["rsa"]
        spellings = [key.as_pem(private=False), key.as_pem(private=False).strip(), key.as_der(private=False),
                     json.dumps(key.as_dict(private=False)).encode(), key.as_dict(private=False)["n"].encode()]
        for spelling in spellings:
            sign = lambda text: hmac.new(spelling, text, hashlib.sha256).digest()
            self.assertEqual(self.status(self.handmade({"alg": "HS256", "kid": "rsa"}, self.claims(), sign)), 401)
        good = self.token()
        head, claims, signature = good.split(".")
        for forged in (f"{head}.{claims}.", f"{head}.{claims}", f"{head}.{b64(json.dumps(self.claims(sub='bob')).encode())}.{signature}",
                       f"{head}.{claims}.{signature[:-4]}AAAA", f"{head}.{claims}.{signature}=", good + "."):
            self.assertEqual(self.status(forged), 401)
        self.assertEqual(self.status(good), 200)

    def test_another_alg_than_the_keys(self):
        # RS384 is not among the issuer's algorithms; ES256 with the RSA key's id has no such key.
        self.assertEqual(self.status(self.token("rsa", "RS384")), 401)
        self.assertEqual(self.status(self.token("rsa", "ES256", key=Login.keys["ec"])), 401)

    def test_claims(self):
        now = int(time.time())
        for name, value in [("aud", "else"), ("aud", None), ("aud", []), ("iss", self.issuer + "/"), ("iss", None),
                            ("iss", [self.issuer, "x"]), ("exp", now - 3), ("exp", None), ("exp", 0), ("nbf", now + 60),
                            ("sub", None), ("sub", "")]:
            self.assertEqual(self.status(self.token(**{name: value})), 401, (name, value))
        # What a careful library refuses to write.
        def sign(text):
            from cryptography.hazmat.primitives import hashes
            from cryptography.hazmat.primitives.asymmetric import padding
            return Login.keys["rsa"].private_key.sign(text, padding.PKCS1v15(), hashes.SHA256())

        head = {"alg": "RS256", "kid": "rsa"}
        self.assertEqual(self.status(self.handmade(head, self.claims(), sign)), 200)
        for more in ({"exp": str(now + 300)}, {"exp": True}, {"exp": [now + 300]}, {"exp": -5}, {"nbf": "0"}, {"nbf": {}}):
            self.assertEqual(self.status(self.handmade(head, self.claims(**more), sign)), 401, more)
        for more in ({"crit": ["exp"]}, {"typ": "logout+jwt"}, {"zip": "DEF"}, {"crit": ["b64"], "b64": False}):
            self.assertEqual(self.status(self.handmade({**head, **more}, self.claims(), sign)), 401, more)

    def test_keys_that_a_token_brings_along(self):
        mine = RSAKey.generate_key(2048)
        public = mine.as_dict(private=False)
        for header in ({"jwk": public}, {"jku": f"{self.issuer}/mine"}, {"x5u": f"{self.issuer}/mine"}):
            for kid in ("rsa", "mine", None):
                head = {"alg": "RS256", "typ": "JWT", "kid": kid, **header}
                sign = lambda text: mine.private_key.sign(text, *pkcs1())
                self.assertEqual(self.status(self.handmade({n: v for n, v in head.items() if v}, self.claims(), sign)), 401)
        self.assertNotIn("/mine", Login.asked)

    def test_no_kid(self):
        # With one key of that kind it is clear which one is meant.
        self.assertEqual(self.status(self.token("ed", "EdDSA", header={"kid": None})), 200)
        self.assertEqual(self.status(self.token("ec", "ES256", key=ECKey.generate_key("P-256"), header={"kid": None})), 401)

    def test_z_rotation_and_an_issuer_that_is_away(self):
        old = self.token("ed", "EdDSA")
        self.assertEqual(self.status(old), 200)
        # A new key beside the old one: known when the first token with it comes.
        Login.keys = {**Login.keys, "new": ECKey.generate_key("P-256")}
        time.sleep(1.2)
        self.assertEqual(self.status(self.token("new", "ES256")), 200)
        stranger = ECKey.generate_key("P-256")
        before = len(Login.asked)
        for n in range(50):
            self.assertEqual(self.status(self.token(f"stranger-{n}", "ES256", key=stranger)), 401)
        self.assertLessEqual(len(Login.asked) - before, 6, "the issuer is asked now and then")
        # The old one goes: what it signed ends when its set is fetched again, and what is remembered with it.
        Login.keys = {kid: key for kid, key in Login.keys.items() if kid != "ed"}
        ed = OKPKey.generate_key("Ed25519")
        deadline = time.monotonic() + 15
        while self.status(old) == 200:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.5)

        # Away: answers of every bad kind. The keys that are known go on, for key_sets.keep.
        def huge(login):
            login.reply(b'{"keys": [' + b" " * 300_000 + b"]}")

        def moved(login):
            login.send_response(302)
            login.send_header("location", "/keys")
            login.send_header("content-length", "0")
            login.end_headers()

        def slow(login):
            time.sleep(7)

        self.assertEqual(self.status(self.token()), 200)
        for answer in (huge, moved, lambda login: login.send_error(500), lambda login: login.reply(b"<html>")):
            Login.answer = answer
            self.assertEqual(self.status(self.token()), 200)
            time.sleep(1.2)
        Login.answer = slow
        deadline = time.monotonic() + 25
        while self.status(self.token()) == 200:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.3)
        status, headers = self.ask(self.token())
        self.assertEqual(status, 503)
        self.assertIn("retry-after", {name.lower() for name in headers})
        # Keys of our own need nobody.
        self.assertEqual(self.status(self.service.key), 200)
        Login.answer = None
        deadline = time.monotonic() + 20
        while self.status(self.token()) != 200:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.3)
        with open(f"{self.service.dir}/log.txt") as file:
            log = file.read()
        self.assertNotIn(old, log)
        self.assertNotIn(old.split(".")[2], log)
        self.assertNotIn(SECRET, log)


def pkcs1():
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    return padding.PKCS1v15(), hashes.SHA256()


if __name__ == "__main__":
    unittest.main(verbosity=2)
