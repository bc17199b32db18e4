//! Bodies that drip or stop are cut off by the rules of appends, whichever address they are sent to.

use std::time::Duration;

use bytes::Bytes;
use gantry::engine::BodyPaceLimits;
use gantry::http::server::{InterimPolicy, ServerLimits};
use http::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::TestListener;
use crate::support::patience::in_time;
use crate::support::service::{Service, Shape};
use crate::{on_both_services, transcript};

const PACE: BodyPaceLimits =
    BodyPaceLimits { idle: Duration::from_millis(1500), min_rate: 1024, window: Duration::from_secs(2) };

/// The answer to a body that drips: a byte ten times a second, or only the first one.
async fn answer_to_drip(address: &str, request: &str, drips: bool) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let drip = async {
        while writer.write_all(b"x").await.is_ok() && drips {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut answer = Vec::new();
    tokio::select! {
        read = in_time(request, reader.read_to_end(&mut answer)) => drop(read),
        () = drip => {}
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn both_http_versions_cut_slow_bodies_off() {
    let listener =
        TestListener::start(ServerLimits { pace: PACE, ..ServerLimits::default() }, InterimPolicy::Never).await;
    let address = listener.address.to_string();
    for drips in [true, false] {
        let head = "PUT /x HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n";
        let answer = answer_to_drip(&address, head, drips).await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        let (mut client, connection) = h2::client::handshake(listener.connect().await).await.unwrap();
        tokio::spawn(connection);
        let request = Request::put("http://x/x").body(()).unwrap();
        let (response, mut stream) = client.send_request(request, false).unwrap();
        let drip = async {
            while stream.send_data(Bytes::from_static(b"x"), false).is_ok() && drips {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            std::future::pending::<()>().await;
        };
        let status = tokio::select! {
            response = in_time("an answer", response) => response.unwrap().status(),
            () = drip => unreachable!(),
        };
        assert_eq!(status, 408);
    }
}

fn shape() -> Shape {
    let mut shape = Shape::default();
    shape.settings.body_pace = PACE;
    shape
}

/// Every address that takes a body, with a body that stays on its way.
fn requests(service: &Service, names: &std::collections::HashMap<String, String>) -> Vec<String> {
    let auth = format!("authorization: Bearer {}\r\n", service.admin);
    let (upload, grant) = (&names["upload"], &names["grant"]);
    let form = "--b\r\ncontent-disposition: form-data; name=\"title\"\r\n\r\n";
    let tus = "tus-resumable: 1.0.0\r\nupload-length: 1000000\r\ncontent-type: application/offset+octet-stream\r\n";
    [
        ("POST /v1/uploads".to_owned(), auth.clone(), "{\"filename\": \""),
        (format!("PUT /v1/uploads/{upload}/content"), auth.clone(), ""),
        (format!("POST /u/{grant}/form"), "content-type: multipart/form-data; boundary=b\r\n".to_owned(), form),
        (format!("POST /s3/form/{grant}"), "content-type: multipart/form-data; boundary=b\r\n".to_owned(), ""),
        ("POST /tus".to_owned(), format!("{auth}{tus}"), ""),
        ("POST /files".to_owned(), auth.clone(), ""),
    ]
    .map(|(line, headers, begun)| {
        format!("{line} HTTP/1.1\r\nhost: x\r\n{headers}content-length: 1000000\r\n\r\n{begun}")
    })
    .into()
}

on_both_services! {
    async fn every_address_cuts_a_drip_off(service, shape()) {
        let names = transcript!(service, r#"
            > POST /v1/uploads {"max_size": 2000000}
            < 201 {"upload": {"id": "$upload"}, "grant": "$grant"}
        "#);
        let address = service.base.strip_prefix("http://").unwrap();
        let requests = requests(service, &names);
        let answers = requests.iter().map(|request| answer_to_drip(address, request, true));
        for (request, answer) in requests.iter().zip(futures_util::future::join_all(answers).await) {
            let status: u16 = answer.get(9..12).and_then(|text| text.parse().ok()).unwrap_or_default();
            assert!(matches!(status, 400..=599), "{request}: {answer}");
        }
    }
}
