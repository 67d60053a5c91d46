//! Keys of each kind, as they are made, shown and read back.

use super::*;

fn keys() -> [SecretKey; 3] {
    [SecretKey::ed25519([7; 32]), SecretKey::p256([7; 32]).unwrap(), SecretKey::rsa(1024, [7; 32]).unwrap()]
}

#[test]
fn a_signature_fits_only_its_key_and_message() {
    for key in keys() {
        let (public, signature) = (key.public(), key.sign(b"20 kWh").unwrap());
        assert_eq!(public.verify(b"20 kWh", &signature), Ok(()));
        assert_eq!(public.verify(b"21 kWh", &signature), Err(KeyError::InvalidSignature));
        for bit in 0..signature.len() * 8 {
            let mut flipped = signature.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(public.verify(b"20 kWh", &flipped), Err(KeyError::InvalidSignature), "bit {bit}");
        }
        assert_eq!(public.verify(b"20 kWh", &signature[1..]), Err(KeyError::InvalidSignature));
    }
}

#[test]
fn reject_ecdsa_signature_with_high_s() {
    let key = SecretKey::p256([7; 32]).unwrap();
    let low = p256::ecdsa::Signature::from_slice(&key.sign(b"m").unwrap()).unwrap();
    let high = p256::ecdsa::Signature::from_scalars(low.r().to_bytes(), (-*low.s()).to_bytes()).unwrap();
    assert_eq!(key.public().verify(b"m", &high.to_bytes()), Err(KeyError::InvalidSignature));
}

#[test]
fn reject_keys_that_anybody_can_sign_for() {
    // The identity and a point of order 4 (RFC 8032 5.1.3 lets them decode).
    let mut identity = [0; 32];
    identity[0] = 1;
    for x in [identity, [0; 32]] {
        assert_eq!(PublicKey::Ed25519(x).check(), Err(KeyError::InvalidKey));
    }
    assert_eq!(PublicKey::P256([1; 32], [1; 32]).check(), Err(KeyError::InvalidKey));
}

#[test]
fn reject_a_second_encoding_of_a_point() {
    let reduced = |y: u8| std::array::from_fn(|at| if at == 0 { y } else { 0 });
    let unreduced = |y: u8| -> [u8; 32] {
        std::array::from_fn(|at| match at {
            0 => 0xed + y,
            31 => 0x7f,
            _ => 0xff,
        })
    };
    // Of the y below 19 (only they have a second encoding) some are points of the curve.
    let points: Vec<u8> = (2..19).filter(|y| PublicKey::Ed25519(reduced(*y)).check().is_ok()).collect();
    assert!(!points.is_empty());
    for y in points {
        assert_eq!(PublicKey::Ed25519(unreduced(y)).check(), Err(KeyError::InvalidKey), "y = {y}");
    }
}

#[test]
fn keys_survive_their_cose_key() {
    for key in keys() {
        let encoded = crate::cbor::encode(&key.public());
        assert_eq!(crate::cbor::decode::<PublicKey>(&encoded), Ok(key.public()));
    }
}

#[test]
fn keys_survive_their_pem() {
    for key in keys() {
        let pem = key.to_pem().unwrap();
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
        let read = SecretKey::from_pem(&pem).unwrap();
        assert_eq!((read.secret_bytes(), read.public()), (key.secret_bytes(), key.public()));
    }
}

#[test]
fn read_the_pem_of_rfc_8410() {
    // RFC 8410 10.3 (without the attribute) and the public key that 10.1 gives for it.
    let pem = "-----BEGIN PRIVATE KEY-----\n\
               MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
               -----END PRIVATE KEY-----\n";
    let PublicKey::Ed25519(x) = SecretKey::from_pem(pem).unwrap().public() else { panic!("an Ed25519 key") };
    let hex: String = x.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1");
}

#[test]
fn reject_texts_that_are_no_private_key() {
    let pem = keys()[0].to_pem().unwrap();
    for text in ["", "-----BEGIN PRIVATE KEY-----", &pem.replace("PRIVATE", "PUBLIC"), &pem.replace("MC4C", "MC4D")] {
        assert_eq!(SecretKey::from_pem(text).err(), Some(KeyError::InvalidPem), "{text}");
    }
}

#[test]
fn the_thumbprint_is_that_of_rfc_9679() {
    // RFC 9679 section 6: the example EC2 key and its SHA-256 thumbprint.
    let hex = |text: &str| -> [u8; 32] {
        let byte = |i: usize| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap();
        std::array::from_fn(byte)
    };
    let key = PublicKey::P256(
        hex("65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d"),
        hex("1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c"),
    );
    let expected = hex("496bd8afadf307e5b08c64b0421bf9dc01528a344a43bda88fadd1669da253ec");
    assert_eq!(key.account().as_bytes(), &expected);
}
