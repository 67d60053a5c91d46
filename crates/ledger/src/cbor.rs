//! Deterministic CBOR (RFC 8949 4.2.1), and nothing but it.
//!
//! A decoder that accepts several encodings of one value leaves bits of a file without meaning. So whatever is read
//! is encoded again and compared: long integer forms, unsorted or duplicate keys, unknown keys, indefinite lengths and
//! trailing bytes are all refused by that one comparison.

use minicbor::{Decode, Encode};

/// Why bytes are not the deterministic encoding of the expected value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CborError {
    /// Not CBOR, or not of the expected shape.
    #[error("not of the expected form: {0}")]
    Malformed(String),
    /// A kind of act, or another variant, that this version does not know.
    #[error("of a kind that this version does not know (number {0})")]
    UnknownVariant(i64),
    /// Understood, but not its one deterministic encoding.
    #[error("not deterministic CBOR (RFC 8949 4.2.1): there is another encoding of the same content")]
    NotDeterministic,
}

/// Encodes deterministically: the derived encoders write the shortest integers, definite lengths and sorted keys.
#[must_use]
pub fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    match minicbor::encode(value, &mut bytes) {
        Ok(()) => bytes,
        // Writing into a `Vec` cannot fail, and no encoder here reports an error of its own.
        Err(error) => unreachable!("encoding into memory failed: {error}"),
    }
}

/// Decodes a value whose encoding must be exactly `bytes`.
///
/// # Errors
/// When the bytes are malformed, of an unknown variant, or not the value's deterministic encoding.
pub fn decode<T>(bytes: &[u8]) -> Result<T, CborError>
where
    T: for<'b> Decode<'b, ()> + Encode<()>,
{
    let value: T = minicbor::decode(bytes).map_err(|error| match unknown_variant(&error) {
        Some(number) => CborError::UnknownVariant(number),
        None => CborError::Malformed(error.to_string()),
    })?;
    if is_encoding(&value, bytes) { Ok(value) } else { Err(CborError::NotDeterministic) }
}

/// Whether `bytes` are what [`encode`] gives, without writing that down.
fn is_encoding<T: Encode<()>>(value: &T, bytes: &[u8]) -> bool {
    let mut rest = Same { expected: bytes, differs: false };
    minicbor::encode(value, &mut rest).is_ok() && !rest.differs && rest.expected.is_empty()
}

/// Takes what is written as a claim about what comes next.
struct Same<'a> {
    expected: &'a [u8],
    differs: bool,
}

impl minicbor::encode::Write for Same<'_> {
    type Error = std::convert::Infallible;

    fn write_all(&mut self, written: &[u8]) -> Result<(), Self::Error> {
        match self.expected.strip_prefix(written) {
            Some(rest) => self.expected = rest,
            None => self.differs = true,
        }
        Ok(())
    }
}

/// Decodes a list of at most `MAX` items, its length known beforehand; for `decode_with` on lists that come from others.
pub(crate) fn bounded<'b, const MAX: usize, C, T: Decode<'b, C>>(
    d: &mut minicbor::Decoder<'b>,
    context: &mut C,
) -> Result<Vec<T>, minicbor::decode::Error> {
    let length = d.array()?.and_then(|length| usize::try_from(length).ok()).filter(|length| *length <= MAX);
    let length = length.ok_or_else(|| minicbor::decode::Error::message(format!("a list of at most {MAX} items")))?;
    (0..length).map(|_| T::decode(d, context)).collect()
}

/// minicbor tells an unknown variant only through its error's text.
fn unknown_variant(error: &minicbor::decode::Error) -> Option<i64> {
    if !error.is_unknown_variant() {
        return None;
    }
    let text = error.to_string();
    text.split(|c: char| !c.is_ascii_digit() && c != '-').find_map(|word| word.parse().ok())
}
