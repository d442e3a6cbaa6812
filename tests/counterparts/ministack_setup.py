#!/usr/bin/env python3
"""Fills an empty ministack with the Cognito user pools of the tests: ministack_setup.py URL

Prints one JSON document with all that a test needs. Every value in it, passwords and secrets too, is made for this
server and worth nothing elsewhere.

    region, url
    user_pool     id, issuer, jwks_uri
      clients     web, console: {id}, public, USER_PASSWORD_AUTH · bot: {id, secret}, client_credentials
      scopes      what `bot` may ask for: desk-api/read, desk-api/write
      groups      support, admins
      users       alice, bob: no group · carol: support · root: admins · dave: disabled
                  each {username, password, sub, groups, enabled}
    other_pool    the same shape: client `web`, user `mallory`, who is in a group `admins` of this pool
    Each pool has its own issuer and its own keys.

How to get tokens, with U for the URL and the rest from the document:

  A person's access, ID and refresh token; the token is .AuthenticationResult.AccessToken (or .IdToken):

    curl -s $U/ -H 'content-type: application/x-amz-json-1.1' \
      -H 'x-amz-target: AWSCognitoIdentityProviderService.InitiateAuth' \
      -d '{"AuthFlow":"USER_PASSWORD_AUTH","ClientId":"WEB_ID","AuthParameters":{"USERNAME":"carol","PASSWORD":"..."}}'

  A machine's access token; the token is .access_token:

    curl -s $U/oauth2/token -u BOT_ID:BOT_SECRET -d grant_type=client_credentials -d scope=desk-api/read

  The keys of a pool, two of them, one for access and one for ID tokens:

    curl -s $U/POOL_ID/.well-known/jwks.json

  The issuer in the tokens is https://cognito-idp.REGION.amazonaws.com/POOL_ID, which is not where the keys are.

  Administration, such as looking a person up or changing groups (any credentials will do, signed or not):

    curl -s $U/ -H 'content-type: application/x-amz-json-1.1' \
      -H 'x-amz-target: AWSCognitoIdentityProviderService.AdminGetUser' \
      -d '{"UserPoolId":"POOL_ID","Username":"alice"}'
"""

import json
import sys
import urllib.request

import boto3

REGION = "us-east-1"
SCOPES = ("read", "write")
RESOURCE_SERVER = "desk-api"


class Pool:
    """One user pool, and what the document says of it."""

    def __init__(self, cognito, url, name):
        self._cognito = cognito
        self._id = cognito.create_user_pool(PoolName=name)["UserPool"]["Id"]
        self.document = {
            "id": self._id,
            "issuer": f"https://cognito-idp.{REGION}.amazonaws.com/{self._id}",
            "jwks_uri": f"{url}/{self._id}/.well-known/jwks.json",
            "clients": {},
            "scopes": [],
            "groups": [],
            "users": {},
        }

    def public_client(self, name):
        client = self._client(name, ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"])
        self.document["clients"][name] = {"id": client["ClientId"]}

    def code_client(self, name):
        # Refresh is allowed here, so that a test can see it refused by the trigger.
        client = self._client(name, ExplicitAuthFlows=["ALLOW_CUSTOM_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"])
        self.document["clients"][name] = {"id": client["ClientId"]}

    def machine_client(self, name):
        self._cognito.create_resource_server(
            UserPoolId=self._id,
            Identifier=RESOURCE_SERVER,
            Name=RESOURCE_SERVER,
            Scopes=[{"ScopeName": scope, "ScopeDescription": scope} for scope in SCOPES],
        )
        scopes = [f"{RESOURCE_SERVER}/{scope}" for scope in SCOPES]
        client = self._client(
            name,
            GenerateSecret=True,
            AllowedOAuthFlows=["client_credentials"],
            AllowedOAuthScopes=scopes,
            AllowedOAuthFlowsUserPoolClient=True,
        )
        self.document["clients"][name] = {"id": client["ClientId"], "secret": client["ClientSecret"]}
        self.document["scopes"] = scopes

    def group(self, name):
        self._cognito.create_group(UserPoolId=self._id, GroupName=name)
        self.document["groups"].append(name)

    def user(self, name, groups=(), enabled=True):
        who = {"UserPoolId": self._id, "Username": name}
        password = f"{name.title()}-Pass-1!"
        made = self._cognito.admin_create_user(
            **who,
            MessageAction="SUPPRESS",
            UserAttributes=[
                {"Name": "email", "Value": f"{name}@example.com"},
                {"Name": "email_verified", "Value": "true"},
            ],
        )
        self._cognito.admin_set_user_password(**who, Password=password, Permanent=True)
        for group in groups:
            self._cognito.admin_add_user_to_group(**who, GroupName=group)
        if not enabled:
            self._cognito.admin_disable_user(**who)
        attributes = {attribute["Name"]: attribute["Value"] for attribute in made["User"]["Attributes"]}
        self.document["users"][name] = {
            "username": name,
            "password": password,
            "sub": attributes["sub"],
            "groups": list(groups),
            "enabled": enabled,
        }

    def check_keys(self):
        """Without its crypto library the server answers all the same, with a key that signs nothing."""
        with urllib.request.urlopen(self.document["jwks_uri"], timeout=10) as response:
            keys = json.load(response)["keys"]
        if len(keys) != 2:
            sys.exit(f"{len(keys)} keys for {self._id} in place of 2: is `cryptography` installed?")

    def _client(self, name, **settings):
        made = self._cognito.create_user_pool_client(UserPoolId=self._id, ClientName=name, **settings)
        return made["UserPoolClient"]


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: ministack_setup.py URL")
    url = sys.argv[1].rstrip("/")
    cognito = boto3.client(
        "cognito-idp",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )

    pool = Pool(cognito, url, "desk")
    pool.public_client("web")
    pool.public_client("console")
    pool.machine_client("bot")
    pool.group("support")
    pool.group("admins")
    pool.user("alice")
    pool.user("bob")
    pool.user("carol", groups=["support"])
    pool.user("root", groups=["admins"])
    pool.user("dave", enabled=False)

    other = Pool(cognito, url, "elsewhere")
    other.public_client("web")
    other.group("admins")
    other.user("mallory", groups=["admins"])

    for made in (pool, other):
        made.check_keys()
    document = {"region": REGION, "url": url, "user_pool": pool.document, "other_pool": other.document}
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
