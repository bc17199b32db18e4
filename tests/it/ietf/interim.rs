//! 104 on HTTP/1.1, byte by byte: who hears it, and that it never lands in somebody else's answer.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Ietf;
use crate::on_both_services;
use crate::support::patience::in_time;
use crate::support::service::Service;

/// A raw connection.
struct Wire {
    stream: TcpStream,
    key: String,
}

impl Wire {
    async fn open(service: &Service) -> Self {
        let stream = TcpStream::connect(service.base.strip_prefix("http://").unwrap()).await.unwrap();
        Self { stream, key: service.admin.clone() }
    }

    fn head(&self, version: &str, headers: &str, length: usize) -> String {
        format!(
            "POST /files {version}\r\nhost: x\r\nauthorization: Bearer {}\r\n{headers}content-length: {length}\r\n\r\n",
            self.key
        )
    }

    async fn write(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads until the text has come.
    async fn until(&mut self, text: &str) -> String {
        self.read(text, |read| read.contains(text)).await
    }

    /// Reads until a whole answer about a completed upload has come.
    async fn until_completed(&mut self) -> String {
        self.read("completed", |read| read.contains("\"state\":\"completed\"") && read.ends_with("}}")).await
    }

    async fn read(&mut self, what: &str, is_enough: impl Fn(&str) -> bool) -> String {
        let mut read = Vec::new();
        while !is_enough(&String::from_utf8_lossy(&read)) {
            let more = in_time(what, self.stream.read_buf(&mut read)).await;
            assert!(matches!(more, Ok(1..)), "{what:?} is not in {}", String::from_utf8_lossy(&read));
        }
        String::from_utf8(read).unwrap()
    }
}

const ASKS: &str = "upload-complete: ?1\r\nupload-draft-interop-version: 6\r\n";
const EARLY: &str = "HTTP/1.1 104 Upload Resumption Supported\r\nupload-draft-interop-version: 6\r\n";

on_both_services! {
    async fn an_upload_is_told_before_its_content(service) {
        let mut wire = Wire::open(service).await;
        for _ in 0..3 {
            let head = wire.head("HTTP/1.1", ASKS, 5);
            wire.write(&head).await;
            let early = wire.until("\r\n\r\n").await;
            assert!(early.starts_with(&format!("{EARLY}location: {}/files/", service.base)), "{early}");
            assert!(early.contains("upload-limit: max-size=50000000000000, expires="), "{early}");
            wire.write("hello").await;
            let rest = wire.until_completed().await;
            let last = rest.rfind("HTTP/1.1 ").unwrap();
            assert!(rest[last..].starts_with("HTTP/1.1 201 Created\r\n"), "{rest}");
            for part in rest[..last].split_inclusive("\r\n\r\n") {
                assert_eq!(part, format!("{EARLY}upload-offset: 5\r\n\r\n"));
            }
        }
    }

    async fn after_a_cut_that_is_enough_to_go_on(service) {
        let mut wire = Wire::open(service).await;
        let head = wire.head("HTTP/1.1", ASKS, 11);
        wire.write(&head).await;
        let early = wire.until("\r\n\r\n").await;
        let url = early.lines().find_map(|line| line.strip_prefix("location: ")).unwrap();
        wire.write("hello ").await;
        drop(wire);
        let (ietf, id) = (Ietf::new(service), url.rsplit('/').next().unwrap());
        ietf.offset_becomes(id, 6).await;
        assert_eq!(ietf.send(id, 6, "?1", "world").await.status(), 200);
        assert_eq!(ietf.content(id).await, "hello world");
    }

    async fn an_expected_100_still_comes(service) {
        let mut wire = Wire::open(service).await;
        let head = wire.head("HTTP/1.1", &format!("{ASKS}expect: 100-continue\r\n"), 5);
        wire.write(&head).await;
        let early = wire.until("HTTP/1.1 100 Continue\r\n\r\n").await;
        assert!(early.starts_with(EARLY), "{early}");
        wire.write("hello").await;
        assert!(wire.until_completed().await.contains("HTTP/1.1 201 Created\r\n"));
    }

    async fn nobody_hears_it_unasked(service) {
        for (version, headers) in [
            ("HTTP/1.1", "upload-complete: ?1\r\n"),
            ("HTTP/1.1", ""),
            ("HTTP/1.1", "upload-complete: ?1\r\nupload-draft-interop-version: 11\r\n"),
            ("HTTP/1.1", "upload-incomplete: ?0\r\n"),
            ("HTTP/1.0", ASKS),
        ] {
            let mut wire = Wire::open(service).await;
            let text = wire.head(version, headers, 5) + "hello";
            wire.write(&text).await;
            let answer = wire.until_completed().await;
            assert_eq!(answer.matches("HTTP/1.").count(), 1, "{answer}");
            assert!(answer.contains(" 201 Created"), "{answer}");
        }
        let mut wire = Wire::open(service).await;
        let text = wire.head("HTTP/1.1", &format!("{ASKS}tus-resumable: 1.0.0\r\n"), 5) + "hello";
        wire.write(&text).await;
        assert!(wire.until("\r\n\r\n").await.starts_with("HTTP/1.1 400"));
    }

    async fn requests_in_a_row_get_answers_in_a_row(service) {
        let mut wire = Wire::open(service).await;
        let one = wire.head("HTTP/1.1", ASKS, 5) + "hello";
        wire.write(&one.repeat(3)).await;
        let (mut all, mut answered) = (String::new(), 0);
        while answered < 3 {
            all += &wire.until_completed().await;
            answered = all.matches("\"state\":\"completed\"").count();
        }
        assert_eq!(all.matches("HTTP/1.1 201 Created\r\n").count(), 3);
        // Every answer is whole: what stands between its head and its end is its own.
        for answer in all.split("HTTP/1.1 201 Created\r\n").skip(1) {
            let body = answer.split_once("\r\n\r\n").unwrap().1;
            let mut values = serde_json::Deserializer::from_str(body).into_iter::<serde_json::Value>();
            let first = values.next().unwrap().unwrap_or_else(|error| panic!("{error} in {all}"));
            assert_eq!(first["upload"]["state"], "completed", "{all}");
            let rest = &body[values.byte_offset()..];
            assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 104 "), "{rest:?} in {all}");
        }
    }
}
