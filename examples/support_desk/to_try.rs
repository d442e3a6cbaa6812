//! The lines to paste, in the order in which they belong.

use std::path::Path;

use tower_impersonate::testing::TestIssuer;

use crate::desk;

pub(crate) fn lines(issuer: &TestIssuer, url: &str, secret: &str, audit: &Path) -> String {
    let tokens = desk::people().map(|person| desk::token(issuer, &person));
    let tokens = tokens.each_ref().map(|token| &**token);
    format!(
        "The shop listens on {url}. Paste into another terminal:\n\n{}{}\
         # Who was really there\ntail -f {}\n",
        by_header(url, tokens),
        by_token(url, tokens, secret),
        audit.display()
    )
}

/// Carol's own token, and headers.
fn by_header(url: &str, [alice, bob, carol, _]: [&str; 4]) -> String {
    let as_alice = " -H 'impersonate-user: alice-sub' -H 'impersonate-reason: ticket 4711'";
    let without_reason = " -H 'impersonate-user: alice-sub'";
    let mut text = String::new();
    for (what, method, path, token, headers) in [
        ("Alice sees her orders", "", "/orders", alice, ""),
        (
            "Carol of the support team has none of her own",
            "",
            "/orders",
            carol,
            "",
        ),
        (
            "Carol, as Alice, sees what Alice sees",
            "",
            "/orders",
            carol,
            as_alice,
        ),
        (
            "and Alice's profile: Alice's groups, not Carol's",
            "",
            "/me",
            carol,
            as_alice,
        ),
        ("Bob has no such right: 403", "", "/orders", bob, as_alice),
        (
            "Carol must say why: 400",
            "",
            "/orders",
            carol,
            without_reason,
        ),
        (
            "Alice changes her password",
            " -X POST",
            "/password",
            alice,
            "",
        ),
        (
            "Carol, as Alice, cannot: 403",
            " -X POST",
            "/password",
            carol,
            as_alice,
        ),
        (
            "nor her e-mail address: 403",
            " -X POST",
            "/email",
            carol,
            as_alice,
        ),
    ] {
        text += &format!(
            "# {what}\ncurl -i{method} {url}{path} -H 'authorization: Bearer {token}'{headers}\n\n"
        );
    }
    text
}

/// A token for Alice, from its start to its end, by Carol and by an app client.
fn by_token(url: &str, [alice, _, carol, dora]: [&str; 4], secret: &str) -> String {
    let client = desk::TICKET_SYSTEM;
    let bearer = |token: &str| format!(" -H 'authorization: Bearer {token}'");
    let [alice, carol, dora] = [alice, carol, dora].map(bearer);
    // What an answer gave: set it in the terminal.
    let token = r#" -H "authorization: Bearer $TOKEN""#;
    let system = r#" -H "authorization: Bearer $CLIENT_TOKEN""#;
    let lines = [
        (
            "Carol gets a token for Alice, to look; set TOKEN and GRANT to what the answer says",
            format!(
                r#"-X POST {url}/Alice/impersonate{carol} --json '{{"reason":"ticket 4711","mode":"read_only"}}'"#
            ),
        ),
        (
            "It is Alice who sees her orders",
            format!("{url}/orders{token}"),
        ),
        (
            "and nothing is ordered for her: 403",
            format!("-X POST {url}/orders{token}"),
        ),
        (
            "Carol needs longer",
            format!(r#"-X POST {url}/grants/$GRANT/extend{carol} --json '{{"ttl_seconds":7200}}'"#),
        ),
        (
            "Alice sees who was there, and why",
            format!("{url}/grants{alice}"),
        ),
        (
            "Carol is done: 204",
            format!("-X POST {url}/grants/stop{token}"),
        ),
        (
            "so the token is worth nothing: 401",
            format!("{url}/orders{token}"),
        ),
        (
            "The ticket system comes as itself; set CLIENT_TOKEN",
            format!(
                "-X POST {url}/oauth2/token -u {client}:{secret} -d grant_type=client_credentials"
            ),
        ),
        (
            "and gets a token for Alice, too; set TOKEN and GRANT",
            format!(
                r#"-X POST {url}/Alice/impersonate{system} --json '{{"reason":"ticket 4712"}}'"#
            ),
        ),
        (
            "It may order for her",
            format!("-X POST {url}/orders{token}"),
        ),
        (
            "Dora of the security team sees it",
            format!("'{url}/grants?state=active'{dora}"),
        ),
        (
            "and ends it: 204",
            format!("-X DELETE {url}/grants/$GRANT{dora}"),
        ),
        ("at once: 401", format!("{url}/orders{token}")),
    ];
    let line = |(what, line)| format!("# {what}\ncurl -i {line}\n\n");
    lines.map(line).concat()
}
