//! TLS: with the operator's certificate, or a self-made one that is kept, so that its fingerprint stays what people
//! compared once.

use super::access::{AccessError, Folder};
use rcgen::{CertificateParams, KeyPair};
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// The self-made certificate and its key, in the folder for access.
const CERTIFICATE: &str = "tls.cert";
const KEY: &str = "tls.key";

/// Why TLS is not spoken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A file holds no certificate or key.
    #[error("{file}: {reason}")]
    File {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// The key is not the certificate's, or of an unknown kind.
    #[error("certificate and key: {0}")]
    Pair(#[from] rustls::Error),
    /// The self-made one cannot be made.
    #[error("no certificate could be made: {0}")]
    Make(#[from] rcgen::Error),
    /// It cannot be kept.
    #[error(transparent)]
    Keep(#[from] AccessError),
}

/// How a server speaks TLS. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    fingerprint: Arc<str>,
}

impl Tls {
    /// With a certificate, its chain after it, and its key, as PEM.
    ///
    /// # Errors
    /// When a file does not hold that.
    pub(crate) fn from_files(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let wrong = |path: &Path| {
            let file = path.display().to_string();
            move |error: rustls::pki_types::pem::Error| TlsError::File { file, reason: error.to_string() }
        };
        let chain = CertificateDer::pem_file_iter(certificate).map_err(wrong(certificate))?;
        let chain = chain.collect::<Result<Vec<_>, _>>().map_err(wrong(certificate))?;
        let Some(own) = chain.first() else {
            let reason = "it holds no certificate in PEM".to_owned();
            return Err(TlsError::File { file: certificate.display().to_string(), reason });
        };
        let fingerprint = fingerprint(own);
        let key = PrivateKeyDer::from_pem_file(key).map_err(wrong(key))?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions()?.with_no_client_auth();
        let mut config = config.with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), fingerprint: fingerprint.into() })
    }

    /// With the folder's self-made certificate, made for these names and addresses if there is none yet.
    ///
    /// # Errors
    /// When it cannot be made, kept or read.
    pub(crate) fn self_made(folder: &Folder, names: Vec<String>) -> Result<Self, TlsError> {
        let (certificate, key) = (folder.file(CERTIFICATE), folder.file(KEY));
        if !certificate.exists() || !key.exists() {
            let pair = KeyPair::generate()?;
            let made = CertificateParams::new(names)?.self_signed(&pair)?;
            folder.keep(KEY, pair.serialize_pem().as_bytes())?;
            folder.keep(CERTIFICATE, made.pem().as_bytes())?;
        }
        Self::from_files(&certificate, &key)
    }

    /// What takes a connection.
    pub(crate) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// SHA-256 of the certificate, as browsers show it.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

fn fingerprint(certificate: &[u8]) -> String {
    let bytes: Vec<String> = Sha256::digest(certificate).iter().map(|byte| format!("{byte:02X}")).collect();
    bytes.join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_self_made_certificate_is_kept_and_another_key_is_refused() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folder = |dir: &tempfile::TempDir| Folder::of(dir.path()).unwrap();
        let names = || vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let first = Tls::self_made(&folder(&one), names()).unwrap();
        let again = Tls::self_made(&folder(&one), names()).unwrap();
        assert_eq!(first.fingerprint(), again.fingerprint());
        assert_eq!(first.fingerprint().len(), 32 * 3 - 1);
        Tls::self_made(&folder(&other), names()).unwrap();
        let refused = Tls::from_files(&folder(&one).file(CERTIFICATE), &folder(&other).file(KEY)).err().unwrap();
        assert!(refused.to_string().starts_with("certificate and key: "), "{refused}");
        let refused = Tls::from_files(&folder(&one).file(KEY), &folder(&one).file(KEY)).err().unwrap();
        assert!(refused.to_string().ends_with("it holds no certificate in PEM"), "{refused}");
    }
}
