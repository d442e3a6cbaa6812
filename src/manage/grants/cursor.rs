//! Where a list goes on: the last grant that was told, with a check against what was never told.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::terms::GrantId;

/// The cursor behind that grant. It is no secret and gives nothing: what may be seen is decided anew.
pub(super) fn write(id: &GrantId) -> String {
    let mut bytes = id.as_bytes().to_vec();
    bytes.extend(check(id));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The grant behind which the list goes on; `None` for what no list gave.
pub(super) fn read(text: &str) -> Option<GrantId> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (id, sum) = bytes.split_at_checked(32)?;
    let id = GrantId::from_bytes(id.try_into().ok()?);
    (sum == check(&id)).then_some(id)
}

fn check(id: &GrantId) -> [u8; 4] {
    let sum = Sha256::new_with_prefix("cursor of grants").chain_update(id.as_bytes());
    let sum: [u8; 32] = sum.finalize().into();
    [sum[0], sum[1], sum[2], sum[3]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_list_gave_is_no_cursor() {
        let id = GrantId::from_bytes([7; 32]);
        let cursor = write(&id);
        assert_eq!(read(&cursor), Some(id));
        let other = if cursor.starts_with('A') { "B" } else { "A" };
        for wrong in [
            format!("{other}{}", &cursor[1..]),
            cursor[..40].to_owned(),
            format!("{cursor}AAAA"),
            id.to_string(),
            String::new(),
            "!".to_owned(),
        ] {
            assert_eq!(read(&wrong), None, "{wrong}");
        }
    }
}
