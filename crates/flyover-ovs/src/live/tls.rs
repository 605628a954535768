//! TLS as Open vSwitch uses it: both sides show certificates of one CA, and nobody looks at names.
//!
//! Its certificates are made out to an identifier, not to a host, so a check of the host's name would refuse them all. The
//! CA is the switch's own, not one that the world trusts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tokio_rustls::{Connect, TlsConnector};

use crate::error::OvsError;

/// Who we are and whom we trust: the files that `ovs-vsctl` calls `--private-key`, `--certificate` and `--ca-cert`. They
/// are read for every connection, so that new ones are taken up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Our key.
    pub key: PathBuf,
    /// Our certificate.
    pub certificate: PathBuf,
    /// The CA that signed the server's.
    pub ca: PathBuf,
}

/// Begins TLS on a connection.
pub(super) async fn secure(
    stream: TcpStream,
    host: &str,
    files: &TlsFiles,
) -> Result<Connect<TcpStream>, OvsError> {
    let files = files.clone();
    let read = tokio::task::spawn_blocking(move || config(&files)).await;
    let config = read.expect("reading certificates does not panic")?;
    let name = ServerName::try_from(host.to_owned());
    // A host whose name could not be in a certificate is no fault: nobody looks.
    let name = name.unwrap_or_else(|_| ServerName::try_from("switch").expect("it is a name"));
    Ok(TlsConnector::from(Arc::new(config)).connect(name, stream))
}

fn config(files: &TlsFiles) -> Result<ClientConfig, OvsError> {
    let bad = |path: &Path, why: String| OvsError::Tls { path: path.to_owned(), why };
    let certificates = |path: &Path| {
        let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        read.map_err(|e| bad(path, e.to_string()))
    };
    let mut roots = RootCertStore::empty();
    for ca in certificates(&files.ca)? {
        roots.add(ca).map_err(|e| bad(&files.ca, e.to_string()))?;
    }
    let provider = Arc::new(ring::default_provider());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
    let verifier = verifier.map_err(|e| bad(&files.ca, e.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| bad(&files.key, e.to_string()))?;
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.expect("ring knows ciphers for these versions");
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyName(verifier)));
    let config = builder.with_client_auth_cert(certificates(&files.certificate)?, key);
    config.map_err(|e| bad(&files.certificate, e.to_string()))
}

/// Verifies as usual, but for the name, which is looked at last.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.0.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
