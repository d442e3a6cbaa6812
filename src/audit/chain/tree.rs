//! The Merkle tree of RFC 6962, section 2.1, as far as a log needs it: its right edge.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// A SHA-256 of the tree.
pub(super) type Hash = [u8; 32];

/// The compact range of the first `size` leaves: the heads of the full trees of which it is made,
/// the largest first, one for each bit of `size`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Tree {
    size: u64,
    range: Vec<Hash>,
}

impl Tree {
    /// The tree of which this is the range; `None` where their number is wrong.
    pub(super) fn from_range(size: u64, range: Vec<Hash>) -> Option<Self> {
        // None is larger: what says so was not written by us.
        let fits = size <= MOST && range.len() == size.count_ones() as usize;
        fits.then_some(Self { size, range })
    }

    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn range(&self) -> &[Hash] {
        &self.range
    }

    pub(super) fn push(&mut self, leaf: Hash) {
        let mut head = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.range.pop() {
                head = node(&left, &head);
            }
        }
        self.range.push(head);
        self.size = self.size.saturating_add(1);
    }

    /// The tree head (`MTH`).
    pub(super) fn root(&self) -> Hash {
        let mut heads = self.range.iter().rev();
        match heads.next() {
            Some(last) => heads.fold(*last, |right, left| node(left, &right)),
            None => Sha256::digest(b"").into(),
        }
    }
}

/// So many records nobody writes.
const MOST: u64 = 1 << 63;

/// `SHA-256(0x00 || bytes)`.
pub(super) fn leaf(bytes: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([0])
        .chain_update(bytes)
        .finalize()
        .into()
}

fn node(left: &Hash, right: &Hash) -> Hash {
    let hash = Sha256::new().chain_update([1]);
    hash.chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// In base64 with padding (RFC 4648, section 4).
pub(super) fn encoded(hash: &Hash) -> String {
    STANDARD.encode(hash)
}

pub(super) fn decoded(text: &[u8]) -> Option<Hash> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The leaves and heads of certificate-transparency's own tests.
    #[test]
    fn the_known_tree_heads() {
        let leaves: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let heads = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut tree = Tree::default();
        for (size, head) in heads.iter().enumerate() {
            let root: String = tree
                .root()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert_eq!((tree.size(), &*root), (size as u64, *head));
            let again = Tree::from_range(tree.size(), tree.range().to_vec());
            assert_eq!(again.as_ref(), Some(&tree));
            if let Some(bytes) = leaves.get(size) {
                tree.push(leaf(bytes));
            }
        }
        assert_eq!(Tree::from_range(3, vec![[0; 32]]), None);
    }

    #[test]
    fn a_size_that_nothing_can_follow_is_none() {
        assert!(Tree::from_range(MOST, vec![[0; 32]]).is_some());
        assert_eq!(Tree::from_range(MOST + 1, vec![[0; 32]; 2]), None);
        assert_eq!(Tree::from_range(u64::MAX, vec![[0; 32]; 64]), None);
    }
}
