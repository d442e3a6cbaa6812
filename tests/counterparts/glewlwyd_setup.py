"""Makes a glewlwyd ready for the tests.

    python glewlwyd_setup.py prepare ROOT FOLDER PORT   writes FOLDER/glewlwyd.conf and the database it names
    python glewlwyd_setup.py configure URL              people, a client and providers; prints what a test needs

ROOT is where the Debian package was unpacked. A provider is a plug-in at URL/api/NAME with keys of its own; how its keys
are replaced stands beside it, under `rotations`: the parameters to put there, one after the other.
"""

import base64
import json
import pathlib
import sqlite3
import sys
import urllib.error
import urllib.request

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

ADMIN = {"username": "admin", "password": "password"}  # as the package's database begins
CLIENT = {"id": "desk-web", "secret": "desk-web-secret"}
SCOPES = ["desk-api", "other-api"]
PEOPLE = ["alice", "carol", "root"]
ALGORITHMS = ["RS256", "ES256", "EdDSA"]


def prepare(root, folder, port):
    libraries = root / "usr/lib/glewlwyd"
    (folder / "empty").mkdir()
    database = sqlite3.connect(folder / "glewlwyd.db")
    database.executescript((root / "usr/share/dbconfig-common/data/glewlwyd/install/sqlite3").read_text())
    database.commit()
    database.close()
    settings = {
        "bind_address": "127.0.0.1",
        "external_url": f"http://127.0.0.1:{port}",
        "api_prefix": "api",
        "log_mode": "console",
        "log_level": "WARNING",
        "cookie_domain": "127.0.0.1",
        "session_key": "GLEWLWYD2_SESSION_ID",
        "admin_scope": "g_admin",
        "profile_scope": "g_profile",
        "user_module_path": libraries / "user",
        "user_middleware_module_path": folder / "empty",
        "client_module_path": libraries / "client",
        "user_auth_scheme_module_path": libraries / "scheme",
        "plugin_module_path": libraries / "plugin",
        "hash_algorithm": "SHA512",
    }
    lines = [f'{name}="{value}"' for name, value in settings.items()]
    lines += [f"port={port}", "cookie_secure=0"]
    lines += [f'database = {{ type = "sqlite3"; path = "{folder}/glewlwyd.db"; }};']
    (folder / "glewlwyd.conf").write_text("\n".join(lines) + "\n")


def configure(url):
    call = session(url)
    call("POST", "/auth/", ADMIN)
    for scope in SCOPES:
        call("POST", "/scope/", {"name": scope, "password_required": False, "scheme": {}})
    for person in PEOPLE:
        call("POST", "/user/", {"username": person, "password": f"{person}-password", "enabled": True, "scope": SCOPES})
    client = {"client_id": CLIENT["id"], "confidential": True, "password": CLIENT["secret"], "enabled": True}
    client |= {"authorization_type": ["password", "client_credentials"], "redirect_uri": [], "scope": SCOPES}
    client |= {"token_endpoint_auth_method": ["client_secret_basic"]}
    call("POST", "/client/", client)

    providers = {}
    for name, algorithm in [(algorithm.lower(), algorithm) for algorithm in ALGORITHMS] + [("rotating", "RS256")]:
        keys = [key(algorithm, f"{name}-{generation}") for generation in (1, 2, 3)]
        # The first key signs; the one before stays for a while.
        sets = [keys[:1], [keys[1], keys[0]], keys[2:]]
        issuer = f"{url}/api/{name}"
        first, *rotations = [parameters(issuer, algorithm, keys) for keys in sets]
        call("POST", "/mod/plugin/", {"module": "oidc", "name": name, "display_name": name, "parameters": first})
        providers[name] = {
            "issuer": issuer,
            "jwks_uri": f"{issuer}/jwks",
            "rotations": [{"display_name": name, "parameters": rotation} for rotation in rotations],
        }
    people = {person: {"password": f"{person}-password"} for person in PEOPLE}
    print(json.dumps({"admin": ADMIN, "client": CLIENT, "people": people, "providers": providers}))


def parameters(issuer, algorithm, keys):
    kind = {"RS256": "rsa", "ES256": "ecdsa", "EdDSA": "eddsa"}[algorithm]
    return {
        "iss": issuer,
        "subject-type": "public",
        "jwt-type": kind,
        "jwt-key-size": "256",
        "jwks-private": json.dumps({"keys": keys}),
        "jwks-show": True,
        "access-token-duration": 3600,
        "refresh-token-duration": 3600,
        "code-duration": 600,
        "allow-non-oidc": True,
        "auth-type-password-enabled": True,
        "auth-type-client-enabled": True,
        "auth-type-code-enabled": False,
        "auth-type-refresh-enabled": False,
    }


def key(algorithm, kid):
    """A private key as a JWK."""
    if algorithm == "RS256":
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        numbers = private.private_numbers()
        public = numbers.public_numbers
        members = {"kty": "RSA", "n": public.n, "e": public.e, "d": numbers.d, "p": numbers.p, "q": numbers.q}
        members |= {"dp": numbers.dmp1, "dq": numbers.dmq1, "qi": numbers.iqmp}
        length = lambda number: (number.bit_length() + 7) // 8
    elif algorithm == "ES256":
        numbers = ec.generate_private_key(ec.SECP256R1()).private_numbers()
        public = numbers.public_numbers
        members = {"kty": "EC", "crv": "P-256", "x": public.x, "y": public.y, "d": numbers.private_value}
        length = lambda _: 32
    else:
        private = ed25519.Ed25519PrivateKey.generate()
        x, d = private.public_key().public_bytes_raw(), private.private_bytes_raw()
        members = {"kty": "OKP", "crv": "Ed25519", "x": int.from_bytes(x, "big"), "d": int.from_bytes(d, "big")}
        length = lambda _: 32
    for name, value in members.items():
        if isinstance(value, int):
            members[name] = base64.urlsafe_b64encode(value.to_bytes(length(value), "big")).rstrip(b"=").decode()
    return members | {"kid": kid, "alg": algorithm, "use": "sig"}


def session(url):
    """Calls of its API, with the cookie that the first of them brings, and no proxy between."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    headers = {"content-type": "application/json"}

    def call(method, path, body):
        request = urllib.request.Request(f"{url}/api{path}", json.dumps(body).encode(), headers, method=method)
        try:
            with opener.open(request, timeout=30) as answer:
                cookie = answer.headers.get("set-cookie")
        except urllib.error.HTTPError as error:
            sys.exit(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}")
        if cookie:
            headers["cookie"] = cookie.split(";")[0]

    return call


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["prepare", root, folder, port]:
            prepare(pathlib.Path(root), pathlib.Path(folder), port)
        case ["configure", url]:
            configure(url)
        case _:
            sys.exit(__doc__)
