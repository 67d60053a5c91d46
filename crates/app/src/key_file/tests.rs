//! Key files as they are written and read.

use super::*;

fn passphrase(text: &str) -> Passphrase {
    Zeroizing::new(text.to_owned())
}

/// A source whose file holds the text.
fn source(folder: &Path, text: &str) -> PassphraseSource {
    let file = folder.join("passphrase");
    std::fs::write(&file, text).unwrap();
    PassphraseSource { file: Some(file) }
}

fn keys() -> [SecretKey; 3] {
    [KeyKind::Ed25519, KeyKind::P256, KeyKind::Rsa(1024)].map(|kind| new_key(kind).unwrap())
}

#[test]
fn a_key_file_is_its_owner_s_alone_and_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let (path, none) = (folder.path().join("a.key"), PassphraseSource::default());
    for key in keys() {
        let _ = std::fs::remove_file(&path);
        create(&path, &key, None).unwrap();
        assert!(matches!(create(&path, &key, None), Err(KeyFileError::Exists(_))));
        let read_back = read(&path, &none).unwrap();
        assert_eq!((read_back.key.public(), read_back.is_exposed), (key.public(), false));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read(&path, &none).unwrap().is_exposed);
    }
}

#[test]
fn what_is_no_key_is_refused_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let (path, none) = (folder.path().join("b.key"), PassphraseSource::default());
    assert!(matches!(read(&path, &none), Err(KeyFileError::Missing(_))));
    std::fs::write(&path, [0xff; 64]).unwrap();
    assert!(matches!(read(&path, &none), Err(KeyFileError::Key { error: KeyError::InvalidForm, .. })));
}

#[test]
fn an_encrypted_key_opens_with_its_passphrase_alone() {
    let folder = tempfile::tempdir().unwrap();
    let secret = passphrase("correct horse 電池");
    for (at, key) in keys().iter().enumerate() {
        let path = folder.path().join(format!("{at}.key"));
        create(&path, key, Some(&secret)).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), "{text}");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for (typed, opens) in [
            ("correct horse 電池", true),
            ("correct horse 電池\nsecond line\n", true),
            ("correct horse 電池 ", false),
            ("wrong", false),
        ] {
            match read(&path, &source(folder.path(), typed)) {
                Ok(file) => assert!(opens && file.key.public() == key.public(), "{typed}"),
                Err(KeyFileError::Encryption { error: EncryptionError::WrongPassphrase, .. }) => {
                    assert!(!opens, "{typed}")
                }
                Err(error) => panic!("{typed}: {error}"),
            }
        }
        assert!(matches!(read(&path, &source(folder.path(), "\n")), Err(KeyFileError::PassphraseEmpty)));
    }
}

#[test]
fn the_same_key_and_passphrase_give_the_same_text_only_with_the_same_randomness() {
    let der = SecretKey::ed25519([7; 32]).to_der().unwrap();
    let seal = |salt, iv| encrypted::seal(&der, "secret", Randomness { salt: [salt; 16], iv: [iv; 16] }).unwrap();
    assert_eq!(seal(1, 1), seal(1, 1));
    assert_ne!(seal(1, 1), seal(2, 1));
    assert_ne!(seal(1, 1), seal(1, 2));
}

#[test]
fn open_what_openssl_encrypted() {
    // openssl genpkey -algorithm ed25519 | openssl pkcs8 -topk8 -passout pass:secret  (PBKDF2; and with -scrypt)
    // The public key is what `openssl pkey -pubout -outform DER` says of it.
    for pem in [include_str!("openssl-pbkdf2.pem"), include_str!("openssl-scrypt.pem")] {
        let der = encrypted::open(pem, "secret").unwrap();
        let public = SecretKey::from_der(&der).unwrap().public();
        assert_eq!(public, PublicKey::read(include_bytes!("openssl-public.pem")).unwrap());
        assert_eq!(encrypted::open(&pem.replacen('\n', "", 1), "secret"), Err(EncryptionError::Unsupported));
    }
}

#[test]
fn reject_a_key_that_asks_for_a_cost_out_of_reason() {
    let der = SecretKey::ed25519([7; 32]).to_der().unwrap();
    let random = Randomness { salt: [1; 16], iv: [1; 16] };
    let pem = encrypted::seal(&der, "secret", random).unwrap();
    let (_, mut bytes) = pkcs8::der::pem::decode_vec(pem.as_bytes()).unwrap();
    // The cost N = 2^14 is the integer 02 02 40 00; 2^30 blocks of 1 kB would be a terabyte.
    let at = bytes.windows(4).position(|window| window == [2, 2, 0x40, 0]).unwrap();
    for cost in [[0x7f, 0xff], [0, 0]] {
        bytes[at + 2..at + 4].copy_from_slice(&cost);
        let text =
            pkcs8::der::pem::encode_string("ENCRYPTED PRIVATE KEY", pkcs8::der::pem::LineEnding::LF, &bytes).unwrap();
        assert!(encrypted::open(&text, "secret").is_err(), "{cost:?}");
    }
    let rounds = include_str!("openssl-pbkdf2.pem");
    assert!(encrypted::open(rounds, "other").is_err());
}
