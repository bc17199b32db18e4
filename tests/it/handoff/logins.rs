//! Who is let in, and whom we talk to: passwords, tokens, certificates.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use gantry::worker::handoff::SinkError;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::readers::{Broker, Place};
use super::{event, sink};
use crate::support::patience::eventually_ok;
use crate::support::process::free_port;
use crate::support::servers::{Own, variable};

async fn refuses(address: &str) {
    let sink = sink(address);
    for refused in [sink.publish(&event(1)).await.unwrap_err(), sink.check().await.unwrap_err()] {
        assert!(matches!(refused, SinkError::Refused(_)), "{refused:?}");
        assert!(!format!("{refused:?} {refused}").contains("hidden"), "{refused}");
    }
}

#[tokio::test]
async fn rabbitmq_lets_in_whom_it_knows() {
    let base = variable("GANTRY_TEST_AMQP");
    refuses(&base.replace("guest:guest", "guest:wrong-hidden")).await;
    refuses(&base.replace("guest:guest", "hidden:guest")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_lets_in_whom_it_knows() {
    let redis = Own::redis().await;
    let set = |words: &'static [&'static str]| {
        let client = redis::Client::open(redis.address.replace("://", "://:right-hidden@")).unwrap();
        let open = redis::Client::open(redis.address.as_str()).unwrap();
        async move {
            let with = client.get_multiplexed_async_connection().await;
            let mut connection = match with {
                Ok(connection) => connection,
                Err(_) => open.get_multiplexed_async_connection().await.unwrap(),
            };
            let mut command = redis::cmd(words[0]);
            command.arg(&words[1..]).query_async::<()>(&mut connection).await.unwrap();
        }
    };
    let with = |login: &str| redis.address.replace("://", &format!("://{login}@"));
    set(&["CONFIG", "SET", "requirepass", "right-hidden"]).await;
    set(&["ACL", "SETUSER", "somebody", "on", ">theirs-hidden", "~gantry", "+xadd", "+type"]).await;
    for login in [":right-hidden", "default:right-hidden", "somebody:theirs-hidden"] {
        let sink = sink(&with(login));
        sink.publish(&event(1)).await.unwrap();
        sink.check().await.unwrap();
    }
    refuses(&redis.address).await;
    refuses(&with(":wrong-hidden")).await;
    refuses(&format!("{}?stream=other", with("somebody:theirs-hidden"))).await;
    // Set right while we run.
    let waiting = sink(&with("late:theirs-hidden"));
    assert!(matches!(waiting.publish(&event(2)).await, Err(SinkError::Refused(_))));
    set(&["ACL", "SETUSER", "late", "on", ">theirs-hidden", "~*", "+@all"]).await;
    waiting.publish(&event(2)).await.unwrap();
}

struct Nats(Child, TempDir, u16);

impl Nats {
    async fn start(arguments: &[&str]) -> Self {
        let (dir, port) = (TempDir::new().unwrap(), free_port());
        let mut server = Command::new("nats-server");
        server.args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"]).arg(dir.path()).args(arguments);
        let child = server.stderr(Stdio::null()).spawn().unwrap();
        eventually_ok("nats answers", async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await).await;
        Self(child, dir, port)
    }

    fn address(&self, login: &str) -> String {
        format!("nats://{login}127.0.0.1:{}", self.2)
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn nats_lets_in_whom_it_knows() {
    let nats = Nats::start(&["--user", "gantry", "--pass", "right-hidden"]).await;
    sink(&nats.address("gantry:right-hidden@")).publish(&event(1)).await.unwrap();
    refuses(&nats.address("gantry:wrong-hidden@")).await;
    refuses(&nats.address("")).await;
    let nats = Nats::start(&["--auth", "right-hidden"]).await;
    sink(&nats.address("right-hidden@")).publish(&event(1)).await.unwrap();
    refuses(&nats.address("wrong-hidden@")).await;
    assert!(nats.1.path().exists());
}

/// A TLS server whose certificate nobody has vouched for. It counts those who believe it.
async fn impostor(greeting: &'static str) -> (u16, tokio::task::JoinHandle<usize>) {
    let dir = TempDir::new().unwrap();
    crate::tls::certificate(dir.path());
    let chain = vec![CertificateDer::from_pem_file(dir.path().join("cert.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(dir.path().join("key.pem")).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let (acceptor, listener) = (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let mut believers = 0;
        while let Ok(Ok((mut stream, _))) = tokio::time::timeout(Duration::from_secs(4), listener.accept()).await {
            stream.write_all(greeting.as_bytes()).await.unwrap();
            if let Ok(mut stream) = acceptor.accept(stream).await {
                // TLS 1.3 ends for the server before the client has looked at it: what counts is what it then says.
                let mut said = [0; 1];
                believers += stream.read(&mut said).await.unwrap_or(0);
            }
        }
        believers
    });
    (port, serving)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_nobody_vouches_for_is_not_believed() {
    let info = "INFO {\"server_id\":\"x\",\"version\":\"2.9.0\",\"max_payload\":1048576,\"tls_required\":true}\r\n";
    for (address, greeting) in [("tls://u:p", info), ("rediss://u:p", ""), ("amqps://u:p", "")] {
        let (port, serving) = impostor(greeting).await;
        let sink = sink(&format!("{address}@127.0.0.1:{port}?timeout=3s"));
        let failed = sink.publish(&event(1)).await;
        assert!(failed.is_err(), "{address}");
        assert_eq!(serving.await.unwrap(), 0, "{address}: {failed:?}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_not_spoken_to_when_tls_was_wanted() {
    let nats = variable("GANTRY_TEST_NATS").replace("nats://", "tls://");
    let redis = variable("GANTRY_TEST_REDIS").replace("redis://", "rediss://");
    let rabbitmq = variable("GANTRY_TEST_AMQP").replace("amqp://", "amqps://");
    for address in [nats, redis, rabbitmq] {
        let failed = sink(&format!("{address}?timeout=3s")).publish(&event(1)).await;
        assert!(failed.is_err(), "{address}");
    }
    let place = Place::shared(Broker::Sqs).await;
    let failed = sink(&place.address.replace("sqs:http:", "sqs:https:")).publish(&event(1)).await;
    assert!(matches!(failed, Err(SinkError::Unavailable(_))), "{failed:?}");
}
