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

/// Keys that OpenSSL made, in `samples`: `openssl genpkey -algorithm ed25519`, `-algorithm EC -pkeyopt
/// ec_paramgen_curve:P-256`, `-algorithm RSA -pkeyopt rsa_keygen_bits:1024` (2048) `-out X.pem`; `openssl pkey -in X.pem
/// -pubout -out X.pub.pem`; pkcs1 and sec1 with `-traditional`, the public pkcs1 with `openssl rsa -RSAPublicKey_out`.
/// None of them is a secret.
const OPENSSL: [(&str, &[u8], &[u8]); 6] = [
    ("Ed25519", include_bytes!("samples/ed25519.pem"), include_bytes!("samples/ed25519.pub.pem")),
    ("P-256", include_bytes!("samples/p256.pem"), include_bytes!("samples/p256.pub.pem")),
    ("P-256, RFC 5915", include_bytes!("samples/p256.sec1.pem"), include_bytes!("samples/p256.pub.pem")),
    ("RSA 1024", include_bytes!("samples/rsa-1024.pem"), include_bytes!("samples/rsa-1024.pub.pem")),
    (
        "RSA 1024, PKCS#1",
        include_bytes!("samples/rsa-1024.pkcs1.pem"),
        include_bytes!("samples/rsa-1024.pkcs1.pub.pem"),
    ),
    ("RSA 2048", include_bytes!("samples/rsa-2048.pem"), include_bytes!("samples/rsa-2048.pub.pem")),
];

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn openssl_s_keys_are_read_and_written_back() {
    for (name, secret, public) in OPENSSL {
        let key = SecretKey::read(secret).unwrap();
        assert_eq!(PublicKey::read(public).unwrap(), key.public(), "{name}");
        // P-256 has optional parts in its private form; the others have one encoding.
        if secret.starts_with(b"-----BEGIN PRIVATE") && key.public().algorithm() != -7 {
            assert_eq!(key.to_pem().unwrap().as_bytes(), secret, "{name}");
        }
        if public.starts_with(b"-----BEGIN PUBLIC") {
            assert_eq!(key.public().to_pem().unwrap().as_bytes(), public, "{name}");
        }
    }
}

#[test]
fn rsa_signatures_are_openssl_s() {
    // printf 'Chen sells 50 kWh' | openssl dgst -sha256 -sign rsa-2048.pem -out rsa-2048.sig
    for (key, signature) in [
        (&include_bytes!("samples/rsa-1024.pem")[..], &include_bytes!("samples/rsa-1024.sig")[..]),
        (include_bytes!("samples/rsa-2048.pem"), include_bytes!("samples/rsa-2048.sig")),
    ] {
        let key = SecretKey::read(key).unwrap();
        assert_eq!(key.public().verify(b"Chen sells 50 kWh", signature), Ok(()));
        assert_eq!(key.sign(b"Chen sells 50 kWh").unwrap(), signature);
    }
}

#[test]
fn the_paper_s_keys_have_the_paper_s_length() {
    let key = SecretKey::read(include_bytes!("samples/rsa-1024.pem")).unwrap();
    assert_eq!(digits(&key.public().to_der().unwrap()).len(), 324);
    // 1216 digits in the paper; each number whose top bit is set takes a zero byte, two digits, more.
    let private = digits(&key.to_paper_der().unwrap()).len();
    assert!((1_210..=1_222).contains(&private), "{private}");
    assert!(key.public().is_weak() && !key.public().can_seal());
}

#[test]
fn keys_go_out_and_come_back_in_every_form() {
    for key in keys() {
        let public = key.public();
        let (der, cose) = (public.to_der().unwrap(), crate::cbor::encode(&public));
        let (pem, upper) = (public.to_pem().unwrap(), digits(&der).to_uppercase());
        let lines = pem.replace('\n', "\r\n");
        for form in [
            &der[..],
            &cose,
            pem.as_bytes(),
            lines.as_bytes(),
            digits(&der).as_bytes(),
            upper.as_bytes(),
            digits(&cose).as_bytes(),
        ] {
            assert_eq!(PublicKey::read(form), Ok(public.clone()));
        }
        let (der, paper, cose) = (key.to_der().unwrap(), key.to_paper_der().unwrap(), key.to_cose());
        let spaced = digits(&der).replace("30", "30\n");
        let pem = key.to_pem().unwrap();
        for form in [
            &der[..],
            &paper,
            &cose,
            pem.as_bytes(),
            spaced.as_bytes(),
            digits(&paper).as_bytes(),
            digits(&cose).as_bytes(),
        ] {
            assert_eq!(SecretKey::read(form).unwrap().secret_bytes(), key.secret_bytes());
        }
    }
}

#[test]
fn what_is_no_key_is_refused() {
    let [ed25519, ..] = keys();
    let (pem, cose) = (ed25519.to_pem().unwrap(), ed25519.to_cose());
    let mut foreign = cose.to_vec();
    *foreign.last_mut().unwrap() ^= 1;
    for (what, bytes, error) in [
        ("nothing", Vec::new(), KeyError::InvalidForm),
        ("a word", b"password".to_vec(), KeyError::InvalidForm),
        ("an odd digit", b"abc".to_vec(), KeyError::InvalidForm),
        ("a public key", ed25519.public().to_pem().unwrap().into_bytes(), KeyError::InvalidPem),
        ("another label", pem.replace("PRIVATE KEY", "CERTIFICATE").into_bytes(), KeyError::InvalidPem),
        ("a torn text", pem.as_bytes()[..60].to_vec(), KeyError::InvalidPem),
        ("a private part of another key", foreign, KeyError::InvalidKey),
        ("a byte after a COSE_Key", [&cose[..], &[0]].concat(), KeyError::InvalidForm),
    ] {
        assert_eq!(SecretKey::read(&bytes).err(), Some(error), "{what}");
    }
    let weak = PublicKey::Ed25519([0; 32]);
    assert_eq!(PublicKey::read(&crate::cbor::encode(&weak)), Err(KeyError::InvalidKey), "a point of small order");
}

#[test]
fn an_rsa_key_s_account_is_the_thumbprint_of_its_required_parameters() {
    // Computed apart from this program: sha256(a3 01 03 20 58 80 || n || 21 43 01 00 01).
    let key = PublicKey::read(include_bytes!("samples/rsa-1024.pub.pem")).unwrap();
    assert_eq!(digits(key.account().as_bytes()), "641fcaf73e596ca9afe7299abf79c87e240ebd07025b160cb7a34eabb2c9f418");
}

#[test]
fn the_same_seed_gives_the_same_rsa_key_of_the_bits_asked_for() {
    let modulus = |seed: u8| match SecretKey::rsa(1024, [seed; 32]).unwrap().public() {
        PublicKey::Rsa(n) => n,
        other => panic!("{other:?}"),
    };
    assert_eq!((modulus(1).len(), modulus(1)[0] >> 7), (128, 1));
    assert_ne!(modulus(1), modulus(2));
    for bits in [0, 512, 1023, 1032, 2047, 4104] {
        assert_eq!(SecretKey::rsa(bits, [1; 32]).err(), Some(KeyError::InvalidKey), "{bits}");
    }
}
