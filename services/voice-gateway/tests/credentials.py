"""Owns what callers show in the tests of access: keys, JWTs and tokens, right and wrong ones."""

import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from voice_gateway.access.tokens import Tokens

ISSUER, AUDIENCE = "https://id.example.org", "voice"
SECRET = "a-secret-of-the-tests-0123456789abcdef"
KEY, OTHERS_KEY = "right-key", "another-right-key"
LASTS_S = 86_400
"""How long what is right stays so; it is made once, at the start of a run of any length."""

_RSA = rsa.generate_private_key(65_537, 2048)
_STRANGER = rsa.generate_private_key(65_537, 2048)
_EC = ec.generate_private_key(ec.SECP256R1())


def jwks() -> str:
    """The public keys: two that sign, and one that is no key for signatures."""
    rsa_key: dict[str, Any] = RSAAlgorithm.to_jwk(_RSA.public_key(), as_dict=True)
    ec_key: dict[str, Any] = ECAlgorithm.to_jwk(_EC.public_key(), as_dict=True)
    shared = {"kty": "oct", "kid": "shared", "k": _b64(b"a shared secret of 32 characters")}
    keys = [{**rsa_key, "kid": "r1", "use": "sig"}, {**ec_key, "kid": "e1"}, shared]
    return json.dumps({"keys": keys})


def keys_file() -> str:
    """Two principals in TOML, of which one has rights and limits of its own."""
    mine, others = (hashlib.sha256(key.encode()).hexdigest() for key in (KEY, OTHERS_KEY))
    return (
        f'[[keys]]\nname = "mine"\nsha256 = "{mine}"\n'
        f'[[keys]]\nname = "other"\nsha256 = "{others}"\n'
        'may = ["voice"]\nlimits = { calls = 3 }\n'
    )


def settings(folder: Path) -> dict[str, Any]:
    """The settings of a gateway that takes all of these."""
    (folder / "keys.toml").write_text(keys_file())
    (folder / "jwks.json").write_text(jwks())
    return {
        "api_keys_file": folder / "keys.toml",
        "jwt_jwks": str(folder / "jwks.json"),
        "jwt_issuer": ISSUER,
        "jwt_audience": AUDIENCE,
        "token_secret": SECRET,
    }


def signed(
    subject: str = "ann",
    *,
    kid: str = "r1",
    algorithm: str = "RS256",
    key: Any = None,
    **claims: Any,
) -> str:
    """A JWT that is right, but for what is given; a claim of None is left out."""
    usual = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "exp": time.time() + LASTS_S}
    given = {name: value for name, value in {**usual, **claims}.items() if value is not None}
    return jwt.encode(given, key or _RSA, algorithm=algorithm, headers={"kid": kid})


def by_curve() -> str:
    return signed(kid="e1", algorithm="ES256", key=_EC)


def by_stranger() -> str:
    return signed(key=_STRANGER)


def unsigned() -> str:
    nobody: Any = None
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "exp": time.time() + LASTS_S}
    return jwt.encode(claims, nobody, "none")


def by_public_key() -> str:
    """Signed by HMAC with the public key as the secret, which everybody has."""
    secret = _RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return _by_hmac(secret, "r1")


def by_shared_secret() -> str:
    """Signed by HMAC with the symmetric key of the set."""
    return _by_hmac(b"a shared secret of 32 characters", "shared")


def token(principal: str = "mine", lasts_s: float = LASTS_S, secret: str = SECRET) -> str:
    return Tokens(secret.encode(), time.time).mint(principal, lasts_s).value


def _by_hmac(secret: bytes, kid: str) -> str:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "exp": int(time.time()) + LASTS_S}
    parts: list[Mapping[str, Any]] = [{"alg": "HS256", "typ": "JWT", "kid": kid}, claims]
    said = ".".join(_b64(json.dumps(part).encode()) for part in parts)
    return f"{said}.{_b64(hmac.new(secret, said.encode(), hashlib.sha256).digest())}"


def _b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


RIGHT = {
    "a key": KEY,
    "another's key": OTHERS_KEY,
    "a JWT": signed(),
    "a JWT by an elliptic curve": by_curve(),
    "a token": token(),
    "another's token": token("other"),
    "a JWT's token": token("jwt:ann"),
}
WRONG = {
    "nothing": "",
    "a wrong key": "wrong-key",
    "a key's digest": hashlib.sha256(KEY.encode()).hexdigest(),
    "an expired JWT": signed(exp=time.time() - 60),
    "alg=none": unsigned(),
    "HS256 with the public key": by_public_key(),
    "HS256 with a key of the set": by_shared_secret(),
    "a wrong issuer": signed(iss="https://evil.example"),
    "a wrong audience": signed(aud="billing"),
    "a JWT for ever": signed(exp=None),
    "a JWT of nobody": signed(sub=None),
    "a JWT of an empty name": signed(sub=""),
    "a JWT of a long name": signed(sub="x" * 257),
    "a JWT of half a letter": signed(sub="\ud800"),
    "a JWT of two lines": signed(sub="ann\nbob"),
    "a JWT of a number": signed(sub=7),
    "a JWT by a stranger": by_stranger(),
    "an unknown kid": signed(kid="r9"),
    "a JWT that is not valid yet": signed(nbf=time.time() + LASTS_S),
    "an expired token": token(lasts_s=-1),
    "another gateway's token": token(secret="x" * 32),
    "a token of one who is gone": token("gone"),
    "a token of anyone": token("anyone"),
    "half a token": token()[:-10],
    "what is no text": "\udce9\u00e9",
}
