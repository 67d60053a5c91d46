//! `wattproof key`: makes, shows and takes over key files.

use super::terminal::{hex, note, say, say_json, warned};
use super::{FormName, KeyCommand, KindName, NewKeyArgs, ShowKeyArgs, Trouble};
use crate::key_file::{self, KeyFileError, KeyKind, PassphraseSource};
use ledger::{KeyError, PublicKey, SecretKey, cbor};
use serde::Serialize;
use std::io::{Read, Write as _};
use std::path::Path;
use std::process::ExitCode;

pub(super) fn key(command: KeyCommand, passphrases: &PassphraseSource) -> Result<ExitCode, Trouble> {
    match command {
        KeyCommand::New { new, kind } => {
            not_yet(&new.file)?;
            create(&new, &key_file::new_key(kind.kind())?, passphrases)?;
        }
        KeyCommand::Show(args) => show(&args, passphrases)?,
        KeyCommand::Import { from, new } => {
            not_yet(&new.file)?;
            create(&new, &taken_over(&from, passphrases)?, passphrases)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl KindName {
    const fn kind(self) -> KeyKind {
        match self {
            Self::Ed25519 => KeyKind::Ed25519,
            Self::P256 => KeyKind::P256,
            Self::Rsa2048 => KeyKind::Rsa(2048),
            Self::Rsa3072 => KeyKind::Rsa(3072),
            Self::Rsa4096 => KeyKind::Rsa(4096),
            Self::Rsa1024 => KeyKind::Rsa(1024),
        }
    }
}

/// Before anybody types a passphrase.
fn not_yet(file: &Path) -> Result<(), Trouble> {
    if file.exists() { Err(KeyFileError::Exists(file.to_owned()).into()) } else { Ok(()) }
}

fn create(new: &NewKeyArgs, key: &SecretKey, passphrases: &PassphraseSource) -> Result<(), Trouble> {
    let passphrase = if new.plain { None } else { Some(passphrases.for_new(&new.file)?) };
    key_file::create(&new.file, key, passphrase.as_ref())?;
    let public = key.public();
    if public.is_weak() {
        note("warning: RSA of 1024 bits can be broken; only a community made with --classroom takes it");
    }
    say_table(&view(&public, None));
    let file = new.file.display();
    say(if passphrase.is_some() {
        format!("\nthe key is in {file}, encrypted; keep a copy, and remember the passphrase: nobody can find it again")
    } else {
        format!("\nthe key is in {file}, readable by you alone and not encrypted; keep a copy elsewhere")
    });
    Ok(())
}

fn taken_over(from: &Path, passphrases: &PassphraseSource) -> Result<SecretKey, Trouble> {
    let source: Box<dyn Read> = match from.to_str() {
        Some("-") => Box::new(std::io::stdin()),
        _ => Box::new(key_file::open(from)?),
    };
    let bytes = key_file::bytes_of(source, from)?;
    key_file::parse(&bytes, from, passphrases).map_err(|error| match error {
        KeyFileError::Key { .. } => {
            Trouble::environment(error, "another program may convert it: openssl pkcs8 -topk8 -nocrypt -in OLD")
        }
        other => other.into(),
    })
}

/// What is public about a key.
#[derive(Serialize)]
struct KeyView {
    account: String,
    algorithm: String,
    public_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_key: Option<String>,
}

fn view(public: &PublicKey, private_key: Option<String>) -> KeyView {
    KeyView {
        account: public.account().to_string(),
        algorithm: match public {
            PublicKey::Ed25519(_) => "Ed25519".to_owned(),
            PublicKey::P256(..) => "P-256".to_owned(),
            PublicKey::Rsa(n) => format!("RSA of {} bits", n.len() * 8),
        },
        public_key: hex(&cbor::encode(public)),
        private_key,
    }
}

fn show(args: &ShowKeyArgs, passphrases: &PassphraseSource) -> Result<(), Trouble> {
    let unshowable = |error: KeyError| Trouble::environment(error, "make the key anew");
    if !args.private {
        let public = key_file::read_public(&args.file, passphrases)?;
        match args.form {
            Some(form) => put(&public_form(&public, form).map_err(unshowable)?),
            None if args.json => say_json(&view(&public, None)),
            None => say_table(&view(&public, None)),
        }
        return Ok(());
    }
    let key = warned(&args.file, key_file::read(&args.file, passphrases)?);
    let private = private_form(&key, args.form.unwrap_or(FormName::Pem)).map_err(unshowable)?;
    if args.form.is_some() {
        put(&private);
        return Ok(());
    }
    let view = view(&key.public(), Some(String::from_utf8_lossy(&private).into_owned()));
    if args.json {
        say_json(&view)
    } else {
        say_table(&view)
    }
    Ok(())
}

fn public_form(key: &PublicKey, form: FormName) -> Result<Vec<u8>, KeyError> {
    Ok(match form {
        FormName::Account => line(key.account().to_string()),
        FormName::Pem => key.to_pem()?.into_bytes(),
        FormName::DerHex => line(hex(&key.to_der()?)),
        FormName::Cose => line(hex(&cbor::encode(key))),
        FormName::CoseCbor => cbor::encode(key),
    })
}

fn private_form(key: &SecretKey, form: FormName) -> Result<Vec<u8>, KeyError> {
    Ok(match form {
        FormName::Account => line(key.account().to_string()),
        FormName::Pem => key.to_pem()?.as_bytes().to_vec(),
        FormName::DerHex => line(hex(&key.to_paper_der()?)),
        FormName::Cose => line(hex(&key.to_cose())),
        FormName::CoseCbor => key.to_cose().to_vec(),
    })
}

fn line(text: String) -> Vec<u8> {
    (text + "\n").into_bytes()
}

/// Bytes as they are, for a file or another program.
fn put(bytes: &[u8]) {
    let _ = std::io::stdout().lock().write_all(bytes);
}

fn say_table(view: &KeyView) {
    say(format_args!("account     {}", view.account));
    say(format_args!("algorithm   {}", view.algorithm));
    say(format_args!("public key  {}", view.public_key));
    if let Some(pem) = &view.private_key {
        say(format_args!("\n{}", pem.trim_end()));
    }
}
