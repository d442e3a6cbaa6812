//! What is particular to the names of Cognito user pools.

/// The original form first: it is the canonical one.
pub(super) fn names(region: &str, pool: &str) -> Vec<String> {
    let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
    ["cognito-idp", "issuer-cognito-idp"]
        .map(|host| format!("https://{host}.{region}.amazonaws.com{suffix}/{pool}"))
        .into()
}

pub(super) fn is_pool(region: &str, pool: &str) -> bool {
    acceptable_region(region) && acceptable_pool(region, pool)
}

fn acceptable_region(region: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&region.len()) && region.bytes().all(allowed)
}

/// A pool's ID begins with its region.
fn acceptable_pool(region: &str, pool: &str) -> bool {
    pool.split_once('_').is_some_and(|(own, id)| {
        let id_length = (1..=64).contains(&id.len());
        own == region && id_length && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

pub(super) const GROUPS_CLAIM: &str = "cognito:groups";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_and_the_chinese_partition() {
        let names = names("cn-north-1", "cn-north-1_A");
        assert_eq!(
            names,
            [
                "https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_A",
                "https://issuer-cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_A",
            ]
        );
    }

    #[test]
    fn nothing_that_would_lead_elsewhere() {
        assert!(is_pool("eu-west-1", "eu-west-1_Ab12Cd34E"));
        for (region, pool) in [
            ("evil.example/", "eu-west-1_A"),
            ("", "eu-west-1_A"),
            ("eu-west-1", "eu-west-1"),
            ("eu-west-1", "eu-west-1_"),
            ("eu-west-1", "eu-west-1_A/../B"),
            ("eu-west-1", "_A"),
            ("eu-west-1", "us-east-1_A"),
        ] {
            assert!(!is_pool(region, pool), "{region} {pool}");
        }
    }
}
