//! Identifiers: 32-byte digests that name accounts, ledgers, statements, blocks and bindings, and a meter's number.

use bech32::{Bech32m, Hrp};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};

/// Why a written identifier was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not 64 hexadecimal digits.
    #[error("`{0}` is not 64 hexadecimal digits")]
    Hex(String),
    /// Not an account id, or one with a slip of the pen in it.
    #[error("`{0}` is not an account id; it begins with wp1 and a mistyped character is noticed")]
    Account(String),
    /// A meter number with characters outside the allowed set, or of the wrong length.
    #[error("`{0}` is not a meter number: 1 to 32 of the characters A-Z a-z 0-9 . _ -")]
    Meter(String),
}

macro_rules! digest_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(transparent)]
        pub struct $name(#[cbor(n(0), with = "minicbor::bytes")] [u8; 32]);

        impl $name {
            /// From its 32 bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }
            /// Its 32 bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident) => {
        digest_id!($(#[$doc])* $name);

        impl fmt::Display for $name {
            /// 64 lower-case hexadecimal digits.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_hex(text).map(Self::from_bytes)
            }
        }
    };
}

hex_id!(
    /// Any other SHA-256 digest: a tree's root, the hash of an attachment's columns.
    Digest
);
hex_id!(
    /// A ledger: the SHA-256 of its genesis document.
    LedgerId
);
hex_id!(
    /// A statement: the SHA-256 of its `Sig_structure` (RFC 9052 4.4), so without the signature.
    StatementId
);
hex_id!(
    /// A block: the SHA-256 of its header.
    BlockHash
);
hex_id!(
    /// A binding of a meter to its signer and its member over a span of time.
    BindingId
);
digest_id!(
    /// An account: the SHA-256 COSE key thumbprint (RFC 9679) of its first key. Printed as bech32m, `wp1...`, so that
    /// a mistyped character is noticed.
    AccountId
);

/// The human-readable part of a printed account id.
const ACCOUNT_PREFIX: Hrp = Hrp::parse_unchecked("wp");

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        bech32::encode_lower_to_fmt::<Bech32m, _>(f, ACCOUNT_PREFIX, self.as_bytes()).map_err(|_| fmt::Error)
    }
}

impl AccountId {
    /// The first characters of the printed form, enough to tell the accounts of a community apart on a page.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string().chars().take(11).collect()
    }
}

impl FromStr for AccountId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = || IdError::Account(text.to_owned());
        let parsed = bech32::primitives::decode::CheckedHrpstring::new::<Bech32m>(text).map_err(|_| error())?;
        if parsed.hrp() != ACCOUNT_PREFIX {
            return Err(error());
        }
        let bytes: Vec<u8> = parsed.byte_iter().collect();
        bytes.try_into().map(Self::from_bytes).map_err(|_| error())
    }
}

fn parse_hex(text: &str) -> Result<[u8; 32], IdError> {
    let error = || IdError::Hex(text.to_owned());
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(error());
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| error())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| error())?;
    }
    Ok(bytes)
}

/// The number printed on a meter: 1 to 32 of `A-Z a-z 0-9 . _ -`, so that it is safe in a path, a URL and a page.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode)]
#[cbor(transparent)]
pub struct MeterId(#[n(0)] String);

impl MeterId {
    /// Longest meter number: what a display's label holds.
    pub const LENGTH_MAX: usize = 32;

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MeterId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if text.is_empty() || text.len() > Self::LENGTH_MAX || !text.bytes().all(allowed) {
            return Err(IdError::Meter(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl<C> Decode<'_, C> for MeterId {
    fn decode(decoder: &mut minicbor::Decoder<'_>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        decoder.str()?.parse().map_err(minicbor::decode::Error::message)
    }
}

impl fmt::Display for MeterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for MeterId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for MeterId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A block's number; the genesis block is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct Height(#[n(0)] u64);

impl Height {
    /// The genesis block.
    pub const GENESIS: Self = Self(0);
    /// From the block's number.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }
    /// The block's number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
    /// The next block's; saturates.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_account_id_is_noticed() {
        let id = AccountId::from_bytes([7; 32]);
        let printed = id.to_string();
        assert!(printed.starts_with("wp1"), "{printed}");
        assert_eq!(printed.parse(), Ok(id));
        for (at, _) in printed.char_indices().skip(3) {
            let mut slip = printed.clone().into_bytes();
            slip[at] = if slip[at] == b'q' { b'p' } else { b'q' };
            let slip = String::from_utf8(slip).unwrap();
            assert_eq!(slip.parse::<AccountId>(), Err(IdError::Account(slip)));
        }
    }

    #[test]
    fn ids_of_another_form_are_refused() {
        for text in ["", "00", &"g".repeat(64), &"0".repeat(63), &"+".repeat(64)] {
            assert_eq!(text.parse::<StatementId>(), Err(IdError::Hex((*text).to_owned())));
        }
        for text in ["", "a b", "../x", "<b>", &"m".repeat(33), "電"] {
            assert_eq!(text.parse::<MeterId>(), Err(IdError::Meter((*text).to_owned())));
        }
    }

    #[test]
    fn ids_are_byte_strings_in_cbor() {
        let encoded = minicbor::to_vec(StatementId::from_bytes([1; 32])).unwrap();
        assert_eq!(encoded[..2], [0x58, 32]);
        assert_eq!(minicbor::decode::<StatementId>(&encoded).unwrap().as_bytes(), &[1; 32]);
    }
}
