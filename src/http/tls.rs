//! TLS for the accept loop: a certificate from files, reloaded when it is renewed.
//!
//! Offers HTTP/2 and HTTP/1.1 (ALPN). Plain HTTP on the same port is answered only to this machine: the service itself
//! reaches its embedded store so, and a probe its `/livez`. This module must not know what is served.

use crate::domain::reason::{FailureCause, chain};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

/// Interval at which the files are checked for changes.
const RELOAD_INTERVAL: Duration = Duration::from_secs(60);
/// The first byte of a TLS handshake (RFC 8446 §5.1).
const TLS_HANDSHAKE_BYTE: u8 = 0x16;
/// Maximum bytes that are read from a client without TLS after the error was sent.
const MAX_REFUSED_HEAD_BYTES: u64 = 64 << 10;

/// Paths of certificate and key, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// The private key of the certificate.
    pub key: PathBuf,
}

/// A certificate in use.
pub struct ReloadableCertificate {
    files: CertificateFiles,
    acceptor: RwLock<TlsAcceptor>,
}

/// A connection with or without TLS, as its client began it.
pub(super) enum AcceptedStream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

impl ReloadableCertificate {
    /// Reads the files; an error names the file that is invalid.
    pub fn load(files: CertificateFiles) -> io::Result<Self> {
        let current = RwLock::new(load_acceptor(&files)?);
        Ok(Self { files, acceptor: current })
    }

    /// Reloads renewed files until `stop` is cancelled. A file that cannot be read is logged and changes nothing.
    pub async fn reload_when_changed(&self, stop: CancellationToken) {
        let mut seen = self.modification_times();
        while stop.run_until_cancelled(tokio::time::sleep(RELOAD_INTERVAL)).await.is_some() {
            let now = self.modification_times();
            if now == seen {
                continue;
            }
            seen = now;
            match self.reload() {
                Ok(()) => tracing::info!("the renewed certificate is in use"),
                Err(error) => tracing::warn!(error = %chain(&error), "the renewed certificate is not used"),
            }
        }
    }

    /// Reads the files again, for connections from now on.
    ///
    /// # Errors
    /// A file cannot be used; the certificate in use stays.
    pub fn reload(&self) -> io::Result<()> {
        let fresh = load_acceptor(&self.files)?;
        *self.acceptor.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    fn modification_times(&self) -> [Option<SystemTime>; 2] {
        let time = |path: &Path| std::fs::metadata(path).and_then(|file| file.modified()).ok();
        [time(&self.files.certificate), time(&self.files.key)]
    }

    /// Performs the TLS handshake. The caller limits its time.
    pub(super) async fn accept_stream(&self, stream: TcpStream, peer: SocketAddr) -> io::Result<AcceptedStream> {
        let mut first = [0];
        stream.peek(&mut first).await?;
        if first != [TLS_HANDSHAKE_BYTE] {
            let near = peer.ip().is_loopback() || stream.local_addr()?.ip() == peer.ip();
            if near {
                return Ok(AcceptedStream::Plain(stream));
            }
            refuse_plain_http(stream).await?;
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "plain HTTP from elsewhere"));
        }
        let acceptor = self.acceptor.read().unwrap_or_else(PoisonError::into_inner).clone();
        acceptor.accept(stream).await.map(|stream| AcceptedStream::Tls(Box::new(stream)))
    }
}

/// Answers a client without TLS that this port expects TLS, and closes. Its request is not parsed.
async fn refuse_plain_http(mut stream: TcpStream) -> io::Result<()> {
    const PLAIN_HTTP_MESSAGE: &str = "This port speaks HTTPS: write https:// instead of http://.\n";
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n{PLAIN_HTTP_MESSAGE}",
        PLAIN_HTTP_MESSAGE.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    // Unread bytes would reset the connection, and the client would lose the answer: a head is read and dropped.
    let mut rest = stream.take(MAX_REFUSED_HEAD_BYTES);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await.map(|_| ())
}

fn unusable_file_error(path: &Path, error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(FailureCause::with(path.display().to_string(), error))
}

fn load_acceptor(files: &CertificateFiles) -> io::Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(&files.certificate).and_then(Iterator::collect);
    let chain: Vec<CertificateDer<'static>> = chain.map_err(|error| unusable_file_error(&files.certificate, error))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| unusable_file_error(&files.key, error))?;
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key));
    let mut config = config.map_err(|error| unusable_file_error(&files.certificate, error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_client_without_tls_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let refusing = tokio::spawn(refuse_plain_http(accepted));
        client.write_all(b"GET / HTTP/1.1\r\nHost: files.example\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("https://"), "{answer}");
        drop(client);
        refusing.await.unwrap().unwrap();
    }
}
