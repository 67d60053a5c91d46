//! Who a node is: the account of its key, shown by a signature over the asker's challenge. It tells an operator whom the
//! node speaks to. Nothing is believed for its sake, since whoever stands between two nodes can pass both on.

use api::PeerIdentity;
use ledger::{KeyError, PublicKey, SecretKey};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use units::LedgerId;

/// Bytes that an asker wants signed.
pub type Challenge = [u8; 32];

/// What a node signs to show who it is: a prefix of its own, so that it is never a signature over something else, the
/// ledger, and the challenge.
#[must_use]
pub fn signed_bytes(ledger: LedgerId, challenge: &Challenge) -> Vec<u8> {
    [b"wattproof node identity\0".as_slice(), ledger.as_bytes(), challenge].concat()
}

/// Shows who holds a key.
///
/// # Errors
/// When the key cannot sign.
pub(crate) fn show(key: &SecretKey, ledger: LedgerId, challenge: &Challenge) -> Result<PeerIdentity, KeyError> {
    let signature = key.sign(&signed_bytes(ledger, challenge))?;
    let (account, key) = (key.account(), crate::view::key_hex(&key.public()));
    Ok(PeerIdentity { ledger, account, key, signature: crate::view::hex(&signature) })
}

/// The key that was shown, if the signature is over this challenge. The account is the key's own, whatever was said.
pub(super) fn check(shown: &PeerIdentity, ledger: LedgerId, challenge: &Challenge) -> Option<PublicKey> {
    let key = PublicKey::read(shown.key.as_bytes()).ok()?;
    let signature = from_hex(&shown.signature)?;
    key.verify(&signed_bytes(ledger, challenge), &signature).ok()?;
    Some(key)
}

pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

/// 64 bits that nobody can foresee: the standard library seeds its hash tables from the system's generator.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// A challenge that nobody can have signed before.
pub(super) fn new_challenge() -> Challenge {
    let mut challenge = [0; 32];
    for part in challenge.as_chunks_mut::<8>().0 {
        *part = random().to_be_bytes();
    }
    challenge
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_holder_of_the_key_answers_this_challenge_on_this_ledger() {
        let (ledger, other) = (LedgerId::from_bytes([1; 32]), LedgerId::from_bytes([2; 32]));
        let key = SecretKey::ed25519([7; 32]);
        let challenge = new_challenge();
        let shown = show(&key, ledger, &challenge).unwrap();
        assert_eq!(check(&shown, ledger, &challenge), Some(key.public()));
        assert_eq!(check(&shown, other, &challenge), None, "another ledger");
        assert_eq!(check(&shown, ledger, &new_challenge()), None, "another challenge");
        let stranger = PeerIdentity { key: crate::view::key_hex(&SecretKey::ed25519([8; 32]).public()), ..shown };
        assert_eq!(check(&stranger, ledger, &challenge), None, "another key");
    }
}
