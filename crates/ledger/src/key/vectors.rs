//! What is accepted and what is not, where verifiers of other programs disagree.

use super::*;
use ::rsa::BoxedUint;
use ::rsa::hazmat::rsa_decrypt_and_check;

fn hex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

fn number(text: &str) -> [u8; 32] {
    hex(text).try_into().unwrap()
}

/// Message, key, signature, whether it is accepted, and why. From <https://github.com/novifinancial/ed25519-speccheck>
/// (cases.json), described in Chalkias, Garillot and Nikolaenko, "Taming the many EdDSAs" (2020), table 5.
const SPECCHECK: [(&str, &str, &str, bool, &str); 10] = [
    (
        "8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a0000000000000000000000000000000000000000000000000000000000000000",
        false,
        "A and R of small order, S = 0",
    ),
    (
        "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
        false,
        "A of small order",
    ),
    (
        "aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa8c4bd45aecaca5b24fb97bc10ac27ac8751a7dfe1baff8b953ec9f5833ca260e",
        false,
        "R of small order",
    ),
    (
        "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "9046a64750444938de19f227bb80485e92b83fdb4b6506c160484c016cc1852f87909e14428a7a1d62e9f22f3d3ad7802db02eb2e688b6c52fcd6648a98bd009",
        true,
        "A and R of mixed order, and the equation holds without the cofactor",
    ),
    (
        "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed5125ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09",
        false,
        "the equation holds with the cofactor only",
    ),
    (
        "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "21122a84e0b5fca4052f5b1235c80a537878b38f3142356b2c2384ebad4668b7e40bc836dac0f71076f9abe3a53f9c03c1ceeeddb658d0030494ace586687405",
        false,
        "the equation holds with the cofactor only, and only if 8 k is not reduced first",
    ),
    (
        "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
        "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
        "e96f66be976d82e60150baecff9906684aebb1ef181f67a7189ac78ea23b6c0e547f7690a0e2ddcd04d87dbc3490dc19b3b3052f7ff0538cb68afb369ba3a514",
        false,
        "S is above the group's order",
    ),
    (
        "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
        "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
        "8ce5b96c8f26d0ab6c47958c9e68b937104cd36e13c33566acd2fe8d38aa19427e71f98a473474f2f13f06f97c20d58cc3f54b8bd0d272f42b695dd7e89a8c22",
        false,
        "S is far above the group's order",
    ),
    (
        "fdaebc429f4a735932a160da1301080c13280eea8bc280d1b392c6b9e6ba3a5a",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f454d370c8d9fc323a41450f8d513eafeb5b0697390c1e505a0d4ddc71f566607",
        false,
        "R is not canonical (and of small order), its bytes are hashed reduced",
    ),
    (
        "84b698d39be126ff55fe45079e6c8bf64a0d7db6994560b4e96b7021eb39c1a1",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f084d5b99c2a9463d9c8bd5026916996984eeec87ddf1d3be329006ace1b37b09",
        false,
        "R is not canonical (and of small order), its bytes are hashed as they are",
    ),
];

#[test]
fn ed25519_is_checked_strictly() {
    for (message, key, signature, accepted, why) in SPECCHECK {
        let verdict = PublicKey::Ed25519(number(key)).verify(&hex(message), &hex(signature));
        assert_eq!(verdict.is_ok(), accepted, "{why}");
    }
}

#[test]
fn ed25519_keys_of_small_order_or_with_a_second_encoding_are_refused() {
    // The eight points of small order, the sign bit given where it makes a second point, and encodings that RFC 8032
    // 5.1.3 does not allow: y of p or more, and x = 0 with the sign bit.
    let small = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    ];
    let second = [
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ];
    for text in small.iter().chain(&second) {
        assert_eq!(PublicKey::Ed25519(number(text)).check(), Err(KeyError::InvalidKey), "{text}");
    }
}

// RFC 6979 A.2.5: key and signature with SHA-256 of "sample". Its s lies in the upper half of the order.
const SECRET: &str = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
const POINT: [&str; 2] = [
    "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
];
const R: &str = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716";
const HIGH_S: &str = "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";
/// The order (FIPS 186-5; SEC 2 2.4.2) and its difference to `HIGH_S`.
const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
const LOW_S: &str = "0834e36ad29a83bf2bc9385e491d6099c8fdf9d1ed67aa7ea5f51f93782857a9";
const ZERO: &str = "0000000000000000000000000000000000000000000000000000000000000000";
const ALL_ONES: &str = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

#[test]
fn p256_takes_r_and_low_s_below_the_order_and_above_zero() {
    let key = SecretKey::p256(number(SECRET)).unwrap();
    let public = PublicKey::P256(number(POINT[0]), number(POINT[1]));
    assert_eq!(key.public(), public);
    assert_eq!(key.sign(b"sample"), Ok([hex(R), hex(LOW_S)].concat()));
    for (r, s, accepted) in [
        (R, LOW_S, true),
        (R, HIGH_S, false),
        (R, ZERO, false),
        (ZERO, LOW_S, false),
        (ZERO, ZERO, false),
        (R, ORDER, false),
        (ORDER, LOW_S, false),
        (R, ALL_ONES, false),
        (ALL_ONES, LOW_S, false),
        (LOW_S, R, false),
    ] {
        assert_eq!(public.verify(b"sample", &[hex(r), hex(s)].concat()).is_ok(), accepted, "{r} {s}");
    }
    let der = [hex("3045022100"), hex(R), hex("0220"), hex(LOW_S)].concat();
    for signature in [&der[..], &[], &[0; 64], &[0; 65]] {
        assert_eq!(public.verify(b"sample", signature), Err(KeyError::InvalidSignature), "{}", signature.len());
    }
}

#[test]
fn p256_keys_off_the_curve_or_beyond_the_field_are_refused() {
    // The field's prime (SEC 2 2.4.2). (0, y) with y^2 = b is a point; its second encoding x = p is none.
    const PRIME: &str = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
    const ROOT_OF_B: &str = "66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4";
    let off = "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d446229a";
    for (x, y, usable) in [
        (POINT[0], POINT[1], true),
        (ZERO, ROOT_OF_B, true),
        (PRIME, ROOT_OF_B, false),
        (POINT[0], off, false),
        (POINT[1], POINT[0], false),
        (ZERO, ZERO, false),
        (POINT[0], PRIME, false),
        (ALL_ONES, ALL_ONES, false),
    ] {
        let key = PublicKey::P256(number(x), number(y));
        assert_eq!(key.check().is_ok(), usable, "{x} {y}");
        if !usable {
            assert!(key.verify(b"sample", &[hex(R), hex(LOW_S)].concat()).is_err(), "{x} {y}");
        }
    }
}

/// `DigestInfo` of SHA-256 up to the digest (RFC 8017 9.2, note 1).
const DIGEST_INFO: &str = "3031300d060960864801650304020105000420";

fn rsa_key() -> SecretKey {
    SecretKey::read(include_bytes!("samples/rsa-1024.pem")).unwrap()
}

/// What a padded message becomes under the private key, whatever its padding.
fn raw(key: &SecretKey, padded: &[u8]) -> Vec<u8> {
    let SecretKey::Rsa(key) = key else { panic!("an RSA key") };
    let bits = u32::try_from(padded.len() * 8).unwrap();
    let number = BoxedUint::from_be_slice(padded, bits).unwrap();
    let none: Option<&mut rsa::Stream> = None;
    rsa_decrypt_and_check(&**key, none, &number).unwrap().to_be_bytes().into_vec()
}

/// `begin`, then `ff` up to `end`, 128 bytes in all.
fn padded(begin: &str, end: &[&str]) -> Vec<u8> {
    let (begin, end) = (hex(begin), hex(&end.concat()));
    let filling = vec![0xff; 128 - begin.len() - end.len()];
    [begin, filling, end].concat()
}

#[test]
fn rsa_takes_one_padding_to_the_byte() {
    let (key, message) = (rsa_key(), b"Chen sells 50 kWh");
    let digest: String = Sha256::digest(message).iter().map(|byte| format!("{byte:02x}")).collect();
    let garbage = "ab".repeat(128 - 2 - 8 - 1 - 19 - 32);
    let eight = "ff".repeat(8);
    let mut holed = padded("0001", &["00", DIGEST_INFO, &digest]);
    holed[40] = 0xfe;
    for (padded, accepted, what) in [
        (padded("0001", &["00", DIGEST_INFO, &digest]), true, "as RFC 8017 says"),
        (padded("0001", &["00", "302f300b0609608648016503040201", "0420", &digest]), false, "no NULL parameter"),
        (padded("0001", &["00", DIGEST_INFO, &digest, "00"]), false, "a byte after the digest"),
        (padded("0001", &["00", "3031300d060960864801650304020105000420", &digest, "0500"]), false, "more after it"),
        (
            padded(&format!("0001{eight}00{DIGEST_INFO}{digest}{garbage}"), &[]),
            false,
            "eight ff and garbage (CVE-2006-4339)",
        ),
        (padded("0001", &["00", "308131300d060960864801650304020105000420", &digest]), false, "a long length"),
        (padded("0001", &["00", "3031300d060960864801650304020205000420", &digest]), false, "another algorithm"),
        (padded("0001", &["00", &digest]), false, "no digest info"),
        (padded("0002", &["00", DIGEST_INFO, &digest]), false, "block type 2"),
        (padded("0101", &["00", DIGEST_INFO, &digest]), false, "first byte 1"),
        (padded("0000", &["00", DIGEST_INFO, &digest]), false, "block type 0"),
        (padded("0001", &["ff", DIGEST_INFO, &digest]), false, "no zero after the filling"),
        (holed, false, "a hole in the filling"),
    ] {
        assert_eq!(key.public().verify(message, &raw(&key, &padded)).is_ok(), accepted, "{what}");
    }
}

#[test]
fn rsa_signatures_are_as_long_as_the_modulus_and_below_it() {
    let key = rsa_key();
    let PublicKey::Rsa(n) = key.public() else { panic!("an RSA key") };
    let modulus = BoxedUint::from_be_slice(&n, 1_032).unwrap();
    let (mut beyond, mut short) = (0, 0);
    for count in 0u32.. {
        let message = count.to_be_bytes();
        let signature = key.sign(&message).unwrap();
        assert_eq!(key.public().verify(&message, &signature), Ok(()));
        let longer = [&[0], &signature[..]].concat();
        assert_eq!(key.public().verify(&message, &longer), Err(KeyError::InvalidSignature), "a leading zero more");
        // s + n is the same number modulo n; where it fits the length, only its size gives it away.
        let sum = (BoxedUint::from_be_slice(&signature, 1_032).unwrap() + &modulus).to_be_bytes();
        if sum[0] == 0 {
            assert_eq!(key.public().verify(&message, &sum[1..]), Err(KeyError::InvalidSignature), "s + n");
            beyond += 1;
        }
        if signature[0] == 0 {
            assert_eq!(key.public().verify(&message, &signature[1..]), Err(KeyError::InvalidSignature), "a zero less");
            short += 1;
        }
        if beyond > 0 && short > 0 {
            break;
        }
        assert!(count < 5_000, "one signature in 256 begins with a zero: {beyond} {short}");
    }
    for signature in [&n[..], &[0; 128], &[0xff; 128], &[]] {
        assert_eq!(key.public().verify(b"m", signature), Err(KeyError::InvalidSignature));
    }
}

#[test]
fn rsa_keys_have_whole_bytes_an_odd_modulus_and_one_exponent() {
    let modulus = |length: usize, first: u8, last: u8| {
        let mut n = vec![0x55; length];
        (n[0], n[length - 1]) = (first, last);
        PublicKey::Rsa(n)
    };
    for (length, first, last, usable) in [
        (256, 0x80, 1, true),
        (512, 0xff, 0xff, true),
        (257, 0x80, 1, true),
        (128, 0x80, 1, true),
        (256, 0x80, 2, false),
        (256, 0x7f, 1, false),
        (256, 0, 1, false),
        (513, 0x80, 1, false),
        (255, 0x80, 1, false),
        (129, 0x80, 1, false),
        (127, 0x80, 1, false),
        (1, 0x81, 0x81, false),
    ] {
        let key = modulus(length, first, last);
        assert_eq!(key.check().is_ok(), usable, "{length} bytes, {first:x} ... {last:x}");
        assert!(key.verify(b"m", &vec![1; length]).is_err());
    }
    assert!(PublicKey::Rsa(Vec::new()).check().is_err());
    // openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:3 -out rsa-e3.pem
    let (public, secret) = (include_bytes!("samples/rsa-e3.pub.pem"), include_bytes!("samples/rsa-e3.pem"));
    assert_eq!(PublicKey::read(public), Err(KeyError::InvalidKey));
    assert_eq!(SecretKey::read(secret).err(), Some(KeyError::InvalidKey));
    let mut cose = crate::cbor::encode(&modulus(256, 0x80, 1));
    let exponent = cose.len() - 1;
    assert!(crate::cbor::decode::<PublicKey>(&cose).is_ok());
    cose[exponent] = 3;
    assert!(crate::cbor::decode::<PublicKey>(&cose).is_err());
}
