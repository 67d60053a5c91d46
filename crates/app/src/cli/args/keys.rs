//! Flags of `wattproof key`.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum KeyCommand {
    /// Make a key in a new file that only you may read, encrypted with a passphrase.
    #[command(after_help = "Example:\n  wattproof key new chen.key\n  wattproof key new --kind rsa-3072 lee.key")]
    New {
        #[command(flatten)]
        new: NewKeyArgs,
        /// Kind of key; an RSA key takes some seconds. RSA of 1024 bits, the paper's, can be broken: for a classroom.
        #[arg(long, value_enum, default_value_t = KindName::Ed25519)]
        kind: KindName,
    },
    /// Account id and public key of a key file, or of a file with a public key.
    #[command(after_help = "Example:\n  wattproof key show chen.key\n  wattproof key show chen.key --form pem")]
    Show(ShowKeyArgs),
    /// Take over a private key from a file or the standard input: PEM (encrypted too), DER or COSE_Key, the last two also
    /// in hexadecimal digits.
    #[command(after_help = "Example:\n  wattproof key import old.pem chen.key")]
    Import {
        /// The key; `-` is the standard input.
        from: PathBuf,
        #[command(flatten)]
        new: NewKeyArgs,
    },
}

/// A key file that is to be made.
#[derive(Debug, Args)]
pub(in crate::cli) struct NewKeyArgs {
    /// The file to make.
    pub(in crate::cli) file: PathBuf,
    /// Do not encrypt it: for a service that starts with nobody there. Whoever reads the file can sign with it.
    #[arg(long)]
    pub(in crate::cli) plain: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ShowKeyArgs {
    /// The file.
    pub(in crate::cli) file: PathBuf,
    /// Show nothing but the key in this form.
    #[arg(long, value_enum, conflicts_with = "json")]
    pub(in crate::cli) form: Option<FormName>,
    /// Show the private key too: whoever sees it can sign in your name.
    #[arg(long)]
    pub(in crate::cli) private: bool,
    /// Show JSON.
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Kinds of keys that are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum KindName {
    /// Small and fast; the usual one.
    Ed25519,
    /// What browsers and secure elements have.
    P256,
    /// RSA of 2048 bits.
    #[value(name = "rsa-2048")]
    Rsa2048,
    /// RSA of 3072 bits.
    #[value(name = "rsa-3072")]
    Rsa3072,
    /// RSA of 4096 bits.
    #[value(name = "rsa-4096")]
    Rsa4096,
    /// RSA of 1024 bits, as in the paper: broken by whoever takes the trouble, so for a classroom only.
    #[value(name = "rsa-1024")]
    Rsa1024,
}

/// Forms that a key is shown in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum FormName {
    /// PEM text.
    Pem,
    /// DER in hexadecimal digits, as the paper shows keys.
    DerHex,
    /// COSE_Key in hexadecimal digits.
    Cose,
    /// COSE_Key in its bytes, for a file.
    CoseCbor,
    /// The account id.
    Account,
}
