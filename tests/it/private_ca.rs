//! Servers with a certificate of the operator's own authority: the machine's certificates, or those of `SSL_CERT_FILE`,
//! decide for the database and the broker as they do for HTTPS. Real servers stand behind a TLS front of the test's own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::handoff::readers::{Broker, Place as BrokerPlace};
use crate::support::database::Place;
use crate::support::directory::directory;
use crate::support::patience::eventually_ok;
use crate::support::process::Instance;

/// PostgreSQL's request to go on with TLS: length 8 and its code (Frontend/Backend Protocol, "SSLRequest").
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// An authority of its own, and a certificate for `localhost` that it signed.
struct PrivateAuthority(TempDir);

impl PrivateAuthority {
    fn new() -> Self {
        let dir = directory();
        let openssl = |arguments: &str| {
            let output = Command::new("openssl").args(arguments.split(' ')).current_dir(dir.path()).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        openssl(&format!("req -x509 {key} -days 30 -subj /CN=authority -keyout ca.key -out ca.pem"));
        openssl(&format!("req {key} -subj /CN=localhost -keyout server.key -out server.csr"));
        std::fs::write(dir.path().join("names"), "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n").unwrap();
        openssl("x509 -req -in server.csr -CA ca.pem -CAkey ca.key -days 30 -extfile names -out server.pem");
        Self(dir)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn acceptor(&self) -> TlsAcceptor {
        let certificate = CertificateDer::from_pem_file(self.file("server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(self.file("server.key")).unwrap();
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let config = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        TlsAcceptor::from(Arc::new(config.with_single_cert(vec![certificate], key).unwrap()))
    }
}

/// Speaks TLS in front of a server that does not.
struct TlsFront {
    port: u16,
    /// Connections whose handshake succeeded.
    accepted: Arc<AtomicUsize>,
}

impl TlsFront {
    async fn start(authority: &PrivateAuthority, server: SocketAddr, asks_first: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, acceptor) = (listener.local_addr().unwrap().port(), authority.acceptor());
        let accepted = Arc::new(AtomicUsize::new(0));
        let counter = accepted.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, server, asks_first, acceptor.clone(), counter.clone()));
            }
        });
        Self { port, accepted }
    }

    fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

async fn relay(
    mut client: TcpStream,
    server: SocketAddr,
    asks_first: bool,
    acceptor: TlsAcceptor,
    accepted: Arc<AtomicUsize>,
) -> std::io::Result<()> {
    if asks_first {
        let mut request = [0; 8];
        client.read_exact(&mut request).await?;
        assert_eq!(request, SSL_REQUEST, "the client asks for TLS before anything else");
        client.write_all(b"S").await?;
    }
    let mut encrypted = acceptor.accept(client).await?;
    accepted.fetch_add(1, Ordering::SeqCst);
    copy_bidirectional(&mut encrypted, &mut TcpStream::connect(server).await?).await?;
    Ok(())
}

/// Host and port of a URL with a port.
fn address(url: &str) -> (SocketAddr, &str) {
    let authority = url.split("//").nth(1).unwrap().split(['/', '?']).next().unwrap();
    let host = authority.rsplit('@').next().unwrap();
    (host.parse().unwrap(), host)
}

fn trusting(authority: &PrivateAuthority) -> (String, String) {
    ("SSL_CERT_FILE".to_owned(), authority.file("ca.pem").display().to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_is_trusted_by_the_certificates_of_the_machine() {
    let (authority, place) = (PrivateAuthority::new(), Place::fresh_schema().await);
    let url = place.url();
    let (server, host) = address(&url);
    let front = TlsFront::start(&authority, server, true).await;
    let encrypted = format!("{}&sslmode=verify-full", url.replace(host, &format!("localhost:{}", front.port)));
    let mut instance = Instance::new(place, &[("GANTRY_DATABASE_URL", &encrypted)]);

    let refused = instance.gantry(&["migrate"]).output().unwrap();
    let message = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && message.contains("certificate"), "a stranger's authority: {message}");
    assert_eq!(front.accepted(), 0);

    instance.settings.push(trusting(&authority));
    instance.run(&["migrate"]);
    instance.start(None).await;
    assert!(instance.key().starts_with("gk_"));
    assert!(front.accepted() > 1, "every connection goes through the front");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_is_trusted_by_the_certificates_of_the_machine() {
    let (authority, broker) = (PrivateAuthority::new(), BrokerPlace::shared(Broker::RabbitMq).await);
    let (server, host) = address(&broker.address);
    let front = TlsFront::start(&authority, server, false).await;
    let encrypted = broker.address.replace("amqp://", "amqps://").replace(host, &format!("localhost:{}", front.port));
    let mut instance = Instance::new(Place::fresh_file(), &[("GANTRY_HANDOFF", &encrypted)]);

    instance.start(None).await;
    put(&instance, authority.0.path());
    eventually_ok("the log names the certificate", async || {
        let log = instance.log_text();
        if log.contains("certificate") { Ok(()) } else { Err(log) }
    })
    .await;
    assert_eq!(front.accepted(), 0);
    instance.kill();

    instance.settings.push(trusting(&authority));
    instance.start(None).await;
    eventually_ok("the event has arrived", async || match front.accepted() {
        0 => Err(instance.log_text()),
        _ => Ok(()),
    })
    .await;
    eventually_ok("the message is read", async || {
        let read = broker.read(1).await;
        if read.is_empty() { Err(instance.log_text()) } else { Ok(()) }
    })
    .await;
}

/// Uploads a small file by the command line, which does not wait for its processing.
fn put(instance: &Instance, dir: &Path) {
    let file = dir.join("file.txt");
    std::fs::write(&file, "a note").unwrap();
    let mut command = instance.gantry(&["put", "--quiet", "--no-wait", file.to_str().unwrap()]);
    let command = command.env("GANTRY_URL", &instance.url).env("GANTRY_API_KEY", instance.key());
    let output = command.env("XDG_STATE_HOME", dir).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
