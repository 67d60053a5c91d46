//! TLS to another node (RFC 8446). A node's self-made certificate is signed by nobody, so an address may carry its SHA-256,
//! as the other node prints it at its start: then that certificate is right, whatever name and dates stand in it, and no
//! other is. Without one, the certificate must be signed by somebody that this computer trusts, for the name asked for.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
    StreamOwned,
};
use sha2::{Digest as _, Sha256};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

/// SHA-256 of a certificate's DER form, as browsers show it.
pub(super) type Fingerprint = [u8; 32];

/// Where systems keep the certificates that they trust: Debian and its kin, Fedora and its kin, SUSE, and the BSDs.
const SYSTEM_ROOTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Reads a fingerprint: 64 hexadecimal digits, colons between them or not.
pub(super) fn fingerprint(text: &str) -> Option<Fingerprint> {
    let digits: String = text.chars().filter(|letter| *letter != ':').collect();
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Vec<u8> = pairs.iter().map(byte).collect::<Option<_>>()?;
    if rest.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) { bytes.try_into().ok() } else { None }
}

/// Speaks TLS with one node over whatever connects to it.
#[derive(Debug)]
pub(super) struct TlsConnector {
    config: Arc<ClientConfig>,
}

impl TlsConnector {
    /// With one certificate only, or whatever this computer trusts.
    pub(super) fn new(pinned: Option<Fingerprint>) -> Result<Self, rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let config = match pinned {
            Some(expected) => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(Pinned { expected, provider }))
            }
            None => builder.with_root_certificates(system_roots()),
        };
        Ok(Self { config: Arc::new(config.with_no_client_auth()) })
    }
}

/// The certificates that this computer trusts; none where it keeps none.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let file = SYSTEM_ROOTS.into_iter().map(Path::new).find(|path| path.is_file());
    let certificates = file.and_then(|file| CertificateDer::pem_file_iter(file).ok());
    roots.add_parsable_certificates(certificates.into_iter().flatten().flatten());
    roots
}

/// Takes one certificate and no other.
#[derive(Debug)]
struct Pinned {
    expected: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found: Fingerprint = Sha256::digest(certificate).into();
        if found == self.expected {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::General(format!(
            "its certificate is another one: SHA-256 {}. If it was made anew, take the address that the node prints at its \
             start; if not, something else answers there",
            crate::view::hex(&found)
        )))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What went wrong, for an operator.
fn explained(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::General(reason)) => reason.clone(),
        Some(rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => "its certificate has expired; its operator makes a new one".to_owned(),
        Some(rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => "its certificate is for another name; ask by the name that stands in it".to_owned(),
        Some(rustls::Error::InvalidCertificate(_)) => {
            "its certificate is signed by nobody that this computer trusts; if it is self-made, take the address with \
             #sha256= that the node prints at its start"
                .to_owned()
        }
        Some(rustls::Error::InvalidMessage(_)) => "what answers there does not speak TLS; ask with http://".to_owned(),
        _ => format!("TLS: {error}"),
    }
}

impl<In: Transport> Connector<In> for TlsConnector {
    type Out = Either<In, Encrypted>;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(transport) = chained else { return Ok(None) };
        if !details.needs_tls() {
            return Ok(Some(Either::A(transport)));
        }
        let host = details.uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(|error| ureq::Error::Io(io::Error::other(error)))?;
        let connection = ClientConnection::new(Arc::clone(&self.config), name);
        let mut connection = connection.map_err(|error| ureq::Error::Io(io::Error::other(error)))?;
        let mut socket = TransportAdapter::new(transport.boxed(), details.current_time.clone());
        socket.set_timeout(details.timeout);
        if let Err(error) = connection.complete_io(&mut socket) {
            return Err(match error.kind() {
                io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => ureq::Error::Io(error),
                _ => ureq::Error::Io(io::Error::other(explained(&error))),
            });
        }
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        let stream = StreamOwned::new(connection, socket);
        Ok(Some(Either::B(Encrypted { buffers, stream })))
    }
}

/// A connection under TLS.
pub(super) struct Encrypted {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl std::fmt::Debug for Encrypted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Encrypted")
    }
}

impl Transport for Encrypted {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        self.stream.write_all(output)?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let input = self.buffers.input_append_buf();
        let amount = self.stream.read(input)?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.get_mut().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_browsers_and_openssl_write_it() {
        let digits = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        assert_eq!(fingerprint(&digits), Some([0xab; 32]));
        assert_eq!(fingerprint(&colons), Some([0xab; 32]));
        for wrong in ["", "ab", &digits[1..], &format!("{digits}00"), &"+b".repeat(32), "zz"] {
            assert_eq!(fingerprint(wrong), None, "{wrong}");
        }
    }
}
