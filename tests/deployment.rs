//! The deployment kit of `examples/cognito/`: its template is sound, and sets what the function reads.

#[path = "support/counterparts.rs"]
mod counterparts;
#[path = "support/over_http.rs"]
mod over_http;
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use counterparts::variable;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn template() -> String {
    fs::read_to_string(root().join("examples/cognito/template.yaml")).unwrap()
}

#[test]
fn the_template_sets_what_the_function_reads() {
    let program = fs::read_to_string(root().join("examples/cognito_triggers.rs")).unwrap();
    let template = template();
    let variables: Vec<&str> = ["required(\"", "optional(\""]
        .iter()
        .flat_map(|call| program.split(call).skip(1))
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert_eq!(variables.len(), 5, "{variables:?}");
    for name in variables {
        assert!(template.contains(&format!("          {name}: ")), "{name}");
    }
}

/// The app client for codes has its one flow, and no refresh.
#[test]
fn the_client_for_codes_has_one_flow() {
    let template = template();
    let client = template.split("\n  SignInClient:\n").nth(1).unwrap();
    let client = client.split("\n  WebClient:\n").next().unwrap();
    assert!(client.contains("ExplicitAuthFlows: [ALLOW_CUSTOM_AUTH]\n"));
    assert!(client.contains("\n      GenerateSecret: !Ref SignInClientSecret\n"));
    let parameter = template.split("\n  SignInClientSecret:\n").nth(1).unwrap();
    assert!(parameter.starts_with("    Type: String\n    Default: 'true'\n"));
    // Without a list it could write every attribute.
    assert!(client.contains("\n      WriteAttributes: [zoneinfo]\n"));
    for other in [
        "ALLOW_REFRESH",
        "ALLOW_USER",
        "ALLOW_ADMIN",
        "AllowedOAuthFlows",
        "CallbackURLs",
    ] {
        assert!(!client.contains(other), "{other}");
    }
    // And the role writes its log.
    let role = template.split("\n  TriggersRole:\n").nth(1).unwrap();
    let role = role.split("\n  TriggersLog:\n").next().unwrap();
    let actions: Vec<&str> = role
        .lines()
        .filter(|line| line.contains("Action: "))
        .collect();
    assert_eq!(actions.len(), 2, "{actions:?}");
    assert!(actions[1].ends_with("[logs:CreateLogStream, logs:PutLogEvents]"));
    assert!(!role.contains('*'), "nothing is allowed by a wildcard");
}

#[test]
#[ignore = "needs the programs that ./tests/run installs"]
fn cfn_lint_finds_nothing_in_the_template() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cfn-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let sound = lint(&file("sound.yaml", &template()));
    assert!(sound.0, "{}", sound.1);
    // It would have found something.
    for (name, from, to, found) in [
        (
            "flow.yaml",
            "[ALLOW_CUSTOM_AUTH]",
            "[ALLOW_CUSTOM]",
            "E3030",
        ),
        (
            "circle.yaml",
            "!Sub 'arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${FunctionName}'",
            "!GetAtt Triggers.Arn",
            "E3004",
        ),
        (
            "name.yaml",
            "FunctionName: !GetAtt Triggers.Arn",
            "FunctionName: !GetAtt Trigger.Arn",
            "E1010",
        ),
        (
            "runtime.yaml",
            "provided.al2023",
            "provided.al2028",
            "E3030",
        ),
    ] {
        let broken = template().replace(from, to);
        assert_ne!(broken, template(), "{name}");
        let (passed, said) = lint(&file(name, &broken));
        assert!(!passed && said.contains(found), "{name}: {said}");
    }
}

/// Whether it finds nothing, not even a hint; and what it says.
fn lint(template: &Path) -> (bool, String) {
    let ran = Command::new(Path::new(&variable("COUNTERPARTS_BIN")).join("cfn-lint"))
        .args([
            "--include-checks",
            "I",
            "--non-zero-exit-code",
            "informational",
            "--regions",
            "eu-west-1",
        ])
        .arg("--template")
        .arg(template)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let said = [ran.stdout, ran.stderr].concat();
    (
        ran.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}
