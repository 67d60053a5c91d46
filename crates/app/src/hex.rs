//! Bytes as people paste them.

/// Bytes from hexadecimal digits, spaces and colons between bytes allowed.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b':').collect();
    if digits.is_empty() || !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let byte = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    digits.chunks_exact(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captured_bytes_are_read_as_people_paste_them() {
        for (text, bytes) in [
            ("01 04", Some(vec![1, 4])),
            ("0104\n", Some(vec![1, 4])),
            ("01:aA", Some(vec![1, 0xaa])),
            ("", None),
            ("0", None),
            ("0x01", None),
            ("+1", None),
        ] {
            assert_eq!(from_hex(text), bytes, "{text}");
        }
    }
}
