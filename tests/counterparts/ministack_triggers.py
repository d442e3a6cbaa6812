#!/usr/bin/env python3
"""User pools of ministack with the example cognito_triggers as their Lambda function.

    ministack_triggers.py URL pool NAME                       makes a pool, and prints what a test needs of it
    ministack_triggers.py URL wire POOL VERSION BINARY        makes a function of the binary, and wires it to the pool

The pool is as that of ministack_setup.py, with the clients `web` and `bot`, and `codes`, for a custom challenge. VERSION is
that of pre-token generation: V1_0, V2_0 or V3_0. The function gets the variables of this process whose names begin with
DESK_ or SIGN_IN_.
"""

import io
import json
import os
import subprocess
import sys
import tempfile
import uuid
import zipfile

import boto3
from ministack_setup import REGION, Pool


def service(url, name):
    return boto3.client(
        name, endpoint_url=url, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test"
    )


def make_pool(url, name):
    pool = Pool(service(url, "cognito-idp"), url, name)
    pool.public_client("web")
    pool.code_client("codes")
    pool.machine_client("bot")
    pool.group("support")
    pool.user("alice")
    pool.user("bob")
    pool.user("carol", groups=["support"])
    pool.check_keys()
    return {"region": REGION, "url": url, "user_pool": pool.document}


def wire(url, pool_id, version, binary):
    role = service(url, "iam").create_role(
        RoleName=f"triggers-{uuid.uuid4()}",
        AssumeRolePolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": "lambda.amazonaws.com"},
                        "Action": "sts:AssumeRole",
                    }
                ],
            }
        ),
    )
    variables = {name: value for name, value in os.environ.items() if name.startswith(("DESK_", "SIGN_IN_"))}
    functions = service(url, "lambda")
    function = functions.create_function(
        FunctionName=f"triggers-{uuid.uuid4()}",
        Runtime="provided.al2023",
        Handler="bootstrap",
        Role=role["Role"]["Arn"],
        Timeout=5,
        Code={"ZipFile": zipped(binary)},
        Environment={"Variables": variables},
    )
    arn = function["FunctionArn"]
    functions.add_permission(
        FunctionName=arn,
        StatementId="cognito",
        Action="lambda:InvokeFunction",
        Principal="cognito-idp.amazonaws.com",
    )
    triggers = {"DefineAuthChallenge": arn, "CreateAuthChallenge": arn, "VerifyAuthChallengeResponse": arn}
    if version == "V1_0":
        triggers["PreTokenGeneration"] = arn
    else:
        triggers["PreTokenGenerationConfig"] = {"LambdaVersion": version, "LambdaArn": arn}
    service(url, "cognito-idp").update_user_pool(UserPoolId=pool_id, LambdaConfig=triggers)
    return {"function": arn}


def zipped(binary):
    """As Lambda wants it: `bootstrap`, executable, without what only a debugger reads."""
    with tempfile.TemporaryDirectory() as folder:
        bootstrap = os.path.join(folder, "bootstrap")
        subprocess.run(["strip", "-o", bootstrap, binary], check=True)
        with open(bootstrap, "rb") as file:
            content = file.read()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        packed.writestr(entry, content)
    return archive.getvalue()


def main():
    match sys.argv[1:]:
        case [url, "pool", name]:
            made = make_pool(url.rstrip("/"), name)
        case [url, "wire", pool_id, version, binary]:
            made = wire(url.rstrip("/"), pool_id, version, binary)
        case _:
            sys.exit(__doc__)
    print(json.dumps(made))


if __name__ == "__main__":
    main()
