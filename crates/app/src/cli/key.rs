//! `wattproof key`: makes, shows and takes over key files.

use super::terminal::{hex, say, say_json, warned};
use super::{KeyCommand, Trouble};
use crate::key_file;
use ledger::{PublicKey, SecretKey, cbor};
use serde::Serialize;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

/// Longest PEM text that is taken over.
const PEM_BYTES_MAX: u64 = 16 * 1024;

pub(super) fn key(command: KeyCommand) -> Result<ExitCode, Trouble> {
    match command {
        KeyCommand::New { file, p256 } => {
            let key = if p256 { key_file::new_p256() } else { key_file::new_ed25519() }?;
            create(&file, &key)?;
        }
        KeyCommand::Show { file, secret, json } => {
            let key = warned(&file, key_file::read(&file)?);
            let pem = if secret { Some(pem(&key)?) } else { None };
            show(&key.public(), pem.as_deref(), json);
        }
        KeyCommand::Import { from, file } => create(&file, &read_pem(&from)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn create(file: &Path, key: &SecretKey) -> Result<(), Trouble> {
    key_file::create(file, key)?;
    show(&key.public(), None, false);
    let file = file.display();
    say(format_args!("\nthe key is in {file}, readable by you alone and not encrypted; keep a copy elsewhere"));
    Ok(())
}

fn pem(key: &SecretKey) -> Result<String, Trouble> {
    key.to_pem().map(|pem| pem.to_string()).map_err(|error| Trouble::environment(error, "make the key anew"))
}

/// What is public about a key.
#[derive(Serialize)]
struct KeyView<'a> {
    account: String,
    algorithm: &'static str,
    public_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_pem: Option<&'a str>,
}

fn show(public: &PublicKey, secret_pem: Option<&str>, json: bool) {
    let view = KeyView {
        account: public.account().to_string(),
        algorithm: match public {
            PublicKey::Ed25519(_) => "Ed25519",
            PublicKey::P256(..) => "P-256",
            PublicKey::Rsa(_) => "RSA",
        },
        public_key: hex(&cbor::encode(public)),
        secret_pem,
    };
    if json {
        return say_json(&view);
    }
    say(format_args!("account     {}", view.account));
    say(format_args!("algorithm   {}", view.algorithm));
    say(format_args!("public key  {}", view.public_key));
    if let Some(pem) = secret_pem {
        say(format_args!("\n{}", pem.trim_end()));
    }
}

fn read_pem(from: &Path) -> Result<SecretKey, Trouble> {
    let name = from.display();
    let unreadable =
        |error: std::io::Error| Trouble::environment(format_args!("{name}: {error}"), "name a readable file, or `-`");
    let mut source: Box<dyn Read> = match from.to_str() {
        Some("-") => Box::new(std::io::stdin()),
        _ => Box::new(File::open(from).map_err(unreadable)?),
    };
    let mut text = String::new();
    source.as_mut().take(PEM_BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
    SecretKey::from_pem(&text).map_err(|error| {
        Trouble::environment(format_args!("{name}: {error}"), "convert it first: openssl pkcs8 -topk8 -nocrypt -in OLD")
    })
}
