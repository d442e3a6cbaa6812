//! The examples, run as a user runs them: the printed `curl` lines are sent, and the answers are
//! those that the README promises.

#[path = "support/example.rs"]
mod example;
#[path = "support/running.rs"]
mod running;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use example::command;
use running::{Answer, Curl, Desk, Example, PATIENCE};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Value, json};
use tower_impersonate::stamp::fields;

#[tokio::test]
async fn support_desk_answers_as_the_readme_says() {
    let example = Example::start("support_desk", &["--port", "0"]);
    let curls = example.read_until("tail -f ");
    let [
        alice,
        carol,
        as_alice,
        profile,
        bob,
        without_reason,
        own_password,
        password,
        email,
        life @ ..,
    ] = &curls.lines[..]
    else {
        panic!("nine lines to try, and more: {:?}", curls.lines);
    };
    let orders = json!([{ "id": 1, "item": "a red bicycle" }, { "id": 2, "item": "a bell" }]);

    let answer = alice.send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.body,
        json!({ "customer": "Alice", "orders": orders })
    );
    assert!(!answer.headers.contains_key("cache-control"));

    let answer = carol.send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, json!({ "customer": "Carol", "orders": [] }));

    let answer = as_alice.send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.body,
        json!({ "customer": "Alice", "orders": orders })
    );
    assert_eq!(answer.headers["cache-control"], "no-store");

    let answer = profile.send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.body,
        json!({ "id": "alice-sub", "name": "Alice", "groups": ["customers"] })
    );

    let answer = bob.send().await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.body["error"], "insufficient_scope");
    assert!(answer.headers["www-authenticate"].contains(r#"error="insufficient_scope""#));

    let answer = without_reason.send().await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.body["error"], "invalid_request");

    let answer = own_password.send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.body,
        json!({ "changed": "password", "of": "alice-sub" })
    );
    for refused in [password, email] {
        let answer = refused.send().await;
        assert_eq!(answer.status, 403);
        assert_eq!(answer.body["error"], "not_while_impersonating");
        assert_eq!(answer.headers["cache-control"], "no-store");
    }

    let audit = PathBuf::from(curls.end.trim_start_matches("tail -f ").trim());
    let events = read_events(&audit, 12);
    let named = |name: &str| -> Vec<&Value> {
        events
            .iter()
            .filter(|event| event["event.name"] == name)
            .collect()
    };
    let requests = named("impersonation.request");
    assert_eq!(requests.len(), 4, "{events:#?}");
    for event in requests.into_iter().chain(named("impersonation.completed")) {
        assert_eq!(event["impersonation.actor.sub"], "carol-sub");
        assert_eq!(event["impersonation.target.sub"], "alice-sub");
        assert_eq!(event["impersonation.reason"], "ticket 4711");
    }
    assert_eq!(named("impersonation.completed").len(), 4, "{events:#?}");
    let denials: Vec<_> = named("impersonation.denied")
        .iter()
        .map(|event| {
            (
                &event["impersonation.actor.sub"],
                &event["impersonation.deny.rule"],
            )
        })
        .collect();
    assert_eq!(
        denials,
        [
            (&json!("bob-sub"), &json!("in_group(support)")),
            (&json!("carol-sub"), &json!("reason_required")),
            (&json!("carol-sub"), &json!("not_while_impersonating")),
            (&json!("carol-sub"), &json!("not_while_impersonating")),
        ]
    );

    let log = example.stderr_with(&["impersonation.completed", "impersonation.denied"]);
    for name in ["impersonation.request", "impersonation.denied"] {
        let event = format!(r#"event.name: "{name}""#);
        assert!(log.contains(&event), "no {event} in\n{log}");
    }
    assert_readme_shows(&as_alice.send().await, &log);
    // The shop's own span, of which the shop says nothing of impersonation.
    let stamped = log.lines().any(|line| {
        line.contains("find_orders")
            && line.contains("alice-sub")
            && line.contains(r#"impersonation.actor.sub: "carol-sub""#)
            && line.contains(r#"impersonation.target.sub: "alice-sub""#)
    });
    assert!(stamped, "no span with both subs in\n{log}");

    a_token_lives_and_ends(life).await;
    // The README's request by header, two by tokens, three that were refused, and the two grants' lives.
    let events = read_events(&audit, 12 + 14);
    let mut names: Vec<_> = events[12..]
        .iter()
        .map(|event| {
            let name = event["event.name"].as_str().unwrap();
            name.trim_start_matches("impersonation.").to_owned()
        })
        .collect();
    names.sort_unstable();
    let expected = [
        vec!["completed"; 3],
        vec!["denied"; 3],
        vec!["ended", "extended"],
        vec!["request"; 3],
        vec!["revoked"],
        vec!["started"; 2],
    ];
    assert_eq!(names, expected.concat());
    assert_readme_runs(life).await;
}

/// By a person, read-only, and by an app client, for everything: from the start to the end.
async fn a_token_lives_and_ends(lines: &[Curl]) {
    let [
        start,
        look,
        order,
        extend,
        own_list,
        stop,
        stopped,
        client,
        start_by_client,
        order_by_client,
        list,
        revoke,
        revoked,
    ] = lines
    else {
        panic!("thirteen lines: {lines:?}");
    };
    let (token, grant) = start.send().await.issued();
    let with = |curl: &Curl| curl.clone().with("TOKEN", &token).with("GRANT", &grant);
    let answer = with(look).send().await;
    assert_eq!(
        (answer.status, &answer.body["customer"]),
        (200, &json!("Alice"))
    );
    let answer = with(order).send().await;
    assert_eq!(
        (answer.status, &answer.body["error"]),
        (403, &json!("insufficient_scope"))
    );
    let answer = with(extend).send().await;
    assert_eq!((answer.status, &answer.body["id"]), (200, &json!(grant)));
    let seen = &own_list.send().await.body["data"][0];
    assert_eq!(seen["actor"]["sub"], "carol-sub");
    assert_eq!(seen["reason"], "ticket 4711");
    assert_eq!(seen["state"], "active");
    assert_eq!(with(stop).send().await.status, 204);
    assert_eq!(with(stopped).send().await.status, 401);

    let answer = client.send().await;
    let own = answer.body["access_token"].as_str().unwrap();
    let answer = start_by_client
        .clone()
        .with("CLIENT_TOKEN", own)
        .send()
        .await;
    let (token, grant) = answer.issued();
    let with = |curl: &Curl| curl.clone().with("TOKEN", &token).with("GRANT", &grant);
    let answer = with(order_by_client).send().await;
    assert_eq!(
        (answer.status, &answer.body["customer"]),
        (200, &json!("Alice"))
    );
    let listed = list.send().await.body;
    assert_eq!(listed["data"].as_array().unwrap().len(), 1, "{listed:#}");
    assert_eq!(listed["data"][0]["actor"]["sub"], "ticket-system");
    assert_eq!(with(revoke).send().await.status, 204);
    assert_eq!(with(revoked).send().await.status, 401);
    let ended = &own_list.send().await.body["data"];
    assert_eq!(ended[0]["end"]["reason"], "revoked");
    assert_eq!(ended[0]["end"]["by"]["sub"], "dora-sub");
    assert_eq!(ended[1]["end"]["reason"], "stopped");
}

/// Each line of the README's section about grants is one that is printed, and is answered as it says there.
async fn assert_readme_runs(printed: &[Curl]) {
    let readme = include_str!("../README.md");
    let (_, section) = readme.split_once("\n## Grants: ").expect("a section");
    let (_, block) = section.split_once("```text\n").expect("a block");
    let (block, _) = block.split_once("\n```").expect("its end");
    let (mut token, mut sent) = (String::new(), 0);
    for step in block.split("$ ").filter(|step| !step.is_empty()) {
        let (line, told) = step
            .trim_end()
            .split_once('\n')
            .unwrap_or((step.trim_end(), ""));
        let local = |curl: &&Curl| {
            let at: http::Uri = curl.url.parse().unwrap();
            let here = at.authority().unwrap().as_str();
            has_in_order(&curl.line.replace(here, "127.0.0.1:3000"), line)
        };
        let curl = printed.iter().find(local);
        let curl = curl.unwrap_or_else(|| panic!("not printed: {line}"));
        let answer = curl.clone().with("TOKEN", &token).send().await;
        if let Some(new) = answer.body["data"]["attributes"]["token"].as_str() {
            new.clone_into(&mut token);
        }
        let body = answer.body.to_string();
        let told: Value = serde_json::from_str(told).unwrap_or_else(|_| told.into());
        assert!(has_in_order(&body, &told.to_string()), "{line}\n{body}");
        sent += 1;
    }
    assert_eq!(sent, 5);
}

#[tokio::test]
async fn a_second_process_takes_a_token_until_it_is_revoked() {
    let desk = Example::start("two_services", &["desk", "--port", "0"]);
    let printed = Desk::printed_by(&desk);
    let arguments = ["billing", &printed.url, "--port", "0"];
    let secret = [("BILLING_SECRET", &*printed.billing_secret)];
    let billing = Example::start_with("two_services", &arguments, &secret);
    let told = billing.next_line();
    let at = told.split(' ').next_back().unwrap();
    let [start, shown, end, refused, client, start_by_client] = &printed.lines[..] else {
        panic!("six lines: {:?}", printed.lines);
    };
    let at_billing = |curl: &Curl, token: &str| {
        let mut curl = curl.clone().with("TOKEN", token);
        curl.url = curl.url.replace("http://127.0.0.1:3001", at);
        curl
    };

    let (token, grant) = start.send().await.issued();
    let answer = at_billing(shown, &token).send().await;
    let invoices = "invoices of alice-sub, shown to carol-sub\n";
    assert_eq!((answer.status, answer.body), (200, json!(invoices)));
    assert_eq!(end.clone().with("GRANT", &grant).send().await.status, 204);
    let ended = Instant::now();
    let answer = loop {
        let answer = at_billing(refused, &token).send().await;
        if answer.status != 200 || ended.elapsed() > PATIENCE {
            break answer;
        }
        thread::sleep(Duration::from_millis(50));
    };
    println!("the second process refused it after {:?}", ended.elapsed());
    assert_eq!(
        (answer.status, &answer.body["error"]),
        (401, &json!("invalid_token"))
    );
    assert!(
        ended.elapsed() < Duration::from_secs(5),
        "{:?}",
        ended.elapsed()
    );

    let answer = client.send().await;
    let own = answer.body["access_token"].as_str().unwrap();
    let answer = start_by_client
        .clone()
        .with("CLIENT_TOKEN", own)
        .send()
        .await;
    let (token, _) = answer.issued();
    let answer = at_billing(shown, &token).send().await;
    let invoices = "invoices of alice-sub, shown to ticket-system\n";
    assert_eq!((answer.status, answer.body), (200, json!(invoices)));
}

/// Every line that is written under an impersonated request has each field of the stamp once, at its
/// top level; no other line has any.
#[tokio::test]
async fn support_desk_stamps_each_line_of_json() {
    let example = Example::start("support_desk", &["--json", "--port", "0"]);
    let told = example.stderr_with(&["tail -f "]);
    let curls: Vec<_> = told.lines().filter_map(Curl::parse).collect();
    let statuses = [200, 200, 200, 200, 403, 400, 200, 403, 403];
    assert!(curls.len() > statuses.len(), "{told}");
    for (curl, status) in curls.iter().zip(statuses) {
        assert_eq!(curl.send().await.status, status);
    }

    let (mut stamped, mut plain, mut completed, mut denied) = (0, 0, 0, 0);
    while (completed, denied) != (4, 4) {
        let text = example.next_line();
        let line: Members = serde_json::from_str(&text).unwrap();
        let member = |name: &str| line.0.iter().find(|(own, _)| own == name).map(|(_, v)| v);
        let own = |span: &Value| {
            span["name"] == "impersonation.request" && span["impersonation.mode"] != Value::Null
        };
        let spans = member("spans").and_then(Value::as_array);
        let is_impersonated = spans.is_some_and(|spans| spans.iter().any(own));
        let absent = [fields::GROUPS, fields::GRANT_ID];
        for field in fields::ALL.iter().filter(|field| !absent.contains(field)) {
            let times = line.0.iter().filter(|(own, _)| own == field).count();
            assert_eq!(times, usize::from(is_impersonated), "{field} in {text}");
        }
        if is_impersonated {
            stamped += 1;
            assert_eq!(member(fields::ACTOR_SUB).unwrap(), "carol-sub", "{text}");
            assert_eq!(member(fields::TARGET_SUB).unwrap(), "alice-sub", "{text}");
        } else {
            plain += 1;
        }
        let event = member("fields").map(|fields| fields["event.name"].clone());
        completed += i32::from(event == Some("impersonation.completed".into()));
        denied += i32::from(event == Some("impersonation.denied".into()));
    }
    // Four requests with two events each, two denials of theirs, and the shop's own line; as herself, and
    // two denials before that.
    assert!(stamped >= 11 && plain >= 4, "{stamped} {plain}");
}

/// The members of a JSON object as they stand there, one that is there twice included.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(All)
    }
}

/// What the README shows of the third line and of the log is there.
#[track_caller]
fn assert_readme_shows(answer: &Answer, log: &str) {
    let readme = include_str!("../README.md");
    let (_, shown) = readme
        .split_once("HTTP/1.1 200 OK\n")
        .expect("a sample answer");
    let (shown, rest) = shown.split_once("\n```").expect("its end");
    let (headers, body) = shown.split_once("\n\n").expect("headers and body");
    for header in headers.lines() {
        let (name, value) = header.split_once(": ").unwrap();
        assert_eq!(answer.headers.get(name).map(String::as_str), Some(value));
    }
    assert_eq!(serde_json::from_str::<Value>(body).unwrap(), answer.body);

    let (_, lines) = rest.split_once("```text\n").expect("a sample log");
    let (lines, _) = lines.split_once("\n```").expect("its end");
    for line in lines.lines() {
        assert!(
            log.lines().any(|logged| has_in_order(logged, line)),
            "not logged: {line}\n{log}"
        );
    }
}

/// Whether the pieces between ellipses stand in the line, one after the other.
fn has_in_order(line: &str, pieces: &str) -> bool {
    let mut rest = line;
    pieces.split('…').map(str::trim).all(|piece| {
        let found = rest.find(piece);
        if let Some(at) = found {
            rest = &rest[at + piece.len()..];
        }
        found.is_some()
    })
}

#[tokio::test]
async fn hyper_server_needs_no_framework() {
    let example = Example::start("hyper_server", &["--port", "0"]);
    let carol = example.next_curl();
    let as_alice = example.next_curl();

    let answer = carol.send().await;
    assert_eq!(
        (answer.status, answer.body),
        (200, json!("hello carol-sub\n"))
    );
    let answer = as_alice.send().await;
    assert_eq!(
        (answer.status, answer.body),
        (200, json!("hello alice-sub\n"))
    );
}

#[test]
fn axum_existing_app_prints_what_its_handlers_saw() {
    let output = command("axum_existing_app").output().unwrap();
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = lines
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(lines[0], "Carol as herself 200 OK hello Carol");
    assert_eq!(lines[1], "Carol as alice-sub 200 OK hello Alice");
    assert!(lines[2].starts_with("Carol as root-sub 403 Forbidden"));
    assert_eq!(lines.len(), 3);
}

/// Without a collector the example shows on its own output who was there.
#[test]
fn multi_issuer_tells_who_may_act_as_whom_and_what_a_rotation_does() {
    let output = command("multi_issuer").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = told
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let expected = [
        "Alice of Acme 200 ran as alice-sub",
        "Carol, Acme's support, as Alice of Acme 200 ran as alice-sub",
        "Carol, Acme's support, as Bob of Globex 403 did not run",
        "Dora of the staff as Alice of Acme 200 ran as alice-sub",
        "Dora of the staff as Bob of Globex 200 ran as bob-sub",
        "Dora of the staff as Carol 403 did not run",
        "Eve of Globex, in a group \"desk\", as Bob 403 did not run",
        "Alice of Acme as Bob of Globex 403 did not run",
        "Mallory of an unknown issuer 401 did not run",
        // Three that ran, before and after, and four denials.
        "audited: 10 events, none of a plain request",
        "",
        "Alice, before 200 ran as alice-sub; keys of Acme fetched: 1",
        "-- Acme replaces its keys",
        "Alice, with a key that was just replaced 200 ran as alice-sub; keys of Acme fetched: 1",
        "-- ten seconds later: the keys may be fetched again",
        "Alice, still with the old key 200 ran as alice-sub; keys of Acme fetched: 1",
        "Alice, with the new key 200 ran as alice-sub; keys of Acme fetched: 2",
        "Alice, with the old key 401 did not run; keys of Acme fetched: 2",
        "Alice, with the new key once more 200 ran as alice-sub; keys of Acme fetched: 2",
        "Globex and the staff, all the while: some requests, 0 of them refused",
        "keys of Globex fetched: 1, of the staff: 1",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn audit_verify_finds_every_change_and_says_what_it_cannot_see() {
    let output = command("audit_verify").output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told}");
    let of = |title: &str| {
        let (_, rest) = told.split_once(&format!("## {title}\n")).unwrap();
        rest.split("\n\n").next().unwrap().to_owned()
    };
    for (title, found) in [
        ("as it was written", "kept elsewhere: intact"),
        ("carol edited out", "record 0 (line 1) was edited"),
        ("a record removed", "record 3 (line 4) is missing"),
        (
            "two records swapped",
            "record 2 (line 3) stands further down",
        ),
        ("a record duplicated", "record 3 (line 4) is not there"),
        ("cut in the middle of a line", "bytes of a torn line"),
        ("cut between two lines", "the end was cut off"),
        (
            "replaced by another chain",
            "the chain was rewritten or replaced",
        ),
    ] {
        assert!(of(title).contains(found), "{title}: {}", of(title));
    }
    let intact = told.matches("kept elsewhere: intact").count();
    assert_eq!(intact, 1, "{told}");
    audit_verify_ends_with_0_1_or_2();
}

/// Not beside it: they share a folder.
fn audit_verify_ends_with_0_1_or_2() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("audit_verify-files");
    fs::create_dir_all(&folder).unwrap();
    let (good, bad) = (folder.join("good"), folder.join("bad"));
    fs::write(&good, "").unwrap();
    fs::write(&bad, "{}\n").unwrap();
    let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let (good, bad) = (good.to_str().unwrap(), bad.to_str().unwrap());
    for (arguments, code, told) in [
        (vec![good], 0, "intact"),
        (vec![good, bad], 1, "NOT INTACT"),
        (
            vec![good, "--checkpoints", good, "--key", key],
            1,
            "there is none",
        ),
        (vec![good, "--checkpoints", good], 2, "go together"),
        (vec![good, "--key", "x"], 2, "NAME+KEY"),
        (vec!["nowhere"], 2, "nowhere"),
        (vec!["--help"], 2, "usage: audit_verify FILE.."),
    ] {
        let output = command("audit_verify").args(&arguments).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(told), "{arguments:?}: {said}");
    }
}

#[test]
fn otel_shows_lines_of_json_without_a_collector() {
    let output = command("otel").output().unwrap();
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).unwrap();
    let of = |message: &str| -> Vec<Value> {
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        let told = |line: &Value| line["fields"]["message"] == message;
        lines.filter(told).collect()
    };
    for message in ["loading", "in the background"] {
        let [plain, impersonated] = &of(message)[..] else {
            panic!("two of {message} in\n{lines}");
        };
        assert_eq!(plain.get(fields::ACTOR_SUB), None, "{plain}");
        assert_eq!(impersonated[fields::ACTOR_SUB], "carol-sub");
        assert_eq!(impersonated[fields::TARGET_SUB], "alice-sub");
    }
    let statuses: Vec<_> = of("answered")
        .iter()
        .map(|l| l["fields"]["status"].clone())
        .collect();
    assert_eq!(statuses, [200, 200, 403]);
}

#[test]
fn examples_with_options_say_how_they_are_called() {
    for (name, usage) in [
        ("support_desk", "[--port PORT] [--json] [--otlp URL]"),
        ("hyper_server", "[--port PORT]"),
        (
            "two_services",
            "desk [--port PORT] | billing DESK_URL [--port PORT]",
        ),
        ("otel", "[--otlp URL | --otlp-http URL]"),
    ] {
        let output = command(name).arg("--prot").output().unwrap();
        assert!(!output.status.success());
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(&format!("usage: {name} {usage}\"")), "{told}");
    }
}

/// Waits until that many events are there; a completion may be written after its answer.
fn read_events(audit: &Path, count: usize) -> Vec<Value> {
    let begun = Instant::now();
    loop {
        let text = fs::read_to_string(audit).unwrap();
        let whole = text.lines().count() >= count && text.ends_with('\n');
        if whole || begun.elapsed() > PATIENCE {
            return text
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect();
        }
        thread::sleep(Duration::from_millis(20));
    }
}
