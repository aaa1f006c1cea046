//! Bytes as a text.

/// Base64 with padding (RFC 4648, section 4).
pub fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i)) as usize & 63];
            out.push(if i <= group.len() { digit } else { b'=' });
        }
    }
}

/// The bytes of such a text; `false` if it is none, and `out` then ends with a part of them. Bits that no byte has must be 0.
pub fn from_base64(out: &mut Vec<u8>, text: &[u8]) -> bool {
    let (groups, []) = text.as_chunks::<4>() else { return false };
    for (i, group) in groups.iter().enumerate() {
        let padding =
            if i + 1 == groups.len() { group.iter().rev().take_while(|byte| **byte == b'=').count() } else { 0 };
        let digits = &group[..4 - padding];
        let mut bits = 0u32;
        for digit in digits {
            let value = match digit {
                b'A'..=b'Z' => digit - b'A',
                b'a'..=b'z' => digit - b'a' + 26,
                b'0'..=b'9' => digit - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return false,
            };
            bits = bits << 6 | u32::from(value);
        }
        let bytes = (bits << (6 * padding)).to_be_bytes();
        let (kept, rest) = bytes[1..].split_at(3 - padding.min(2));
        if padding > 2 || rest.iter().any(|byte| *byte != 0) {
            return false;
        }
        out.extend_from_slice(kept);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_in_the_rfc() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            let mut out = Vec::new();
            base64(&mut out, bytes.as_bytes());
            assert_eq!(out, text.as_bytes());
            let mut back = Vec::new();
            assert!(from_base64(&mut back, text.as_bytes()));
            assert_eq!(back, bytes.as_bytes());
        }
        let mut out = Vec::new();
        base64(&mut out, &[0xff, 0xfe, 0xfb]);
        assert_eq!(out, b"//77");
    }

    #[test]
    fn what_is_no_base64() {
        for text in ["Z", "Zg=", "Zg==Zg==", "Zh==", "Zm9=", "Z===", "====", "Zm 9", "Zg==\n", "Zm-v"] {
            assert!(!from_base64(&mut Vec::new(), text.as_bytes()), "{text}");
        }
    }
}
