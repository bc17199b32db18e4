//! One upload, whatever door it came through: created by each protocol, watched by the others, ended by another. One asset,
//! one job, the same digest.

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::on_both_services;
use crate::support::requests;
use crate::support::service::Service;

const FILE: &str = "once upon athird of itand the end";
const THIRD: usize = 11;

/// A client with a key.
struct Anybody<'a>(&'a Service);

impl Anybody<'_> {
    fn ask(&self, method: &str, path: &str) -> RequestBuilder {
        let method: Method = method.parse().unwrap();
        requests::client().request(method, format!("{}{path}", self.0.base)).bearer_auth(&self.0.admin)
    }

    fn tus(&self, method: &str, path: &str) -> RequestBuilder {
        self.ask(method, path).header("tus-resumable", "1.0.0")
    }

    fn ietf(&self, method: &str, path: &str) -> RequestBuilder {
        self.ask(method, path).header("upload-draft-interop-version", "6")
    }

    async fn json(&self, method: &str, path: &str, body: Value) -> Value {
        let answer = self.ask(method, path).header("content-type", "application/json").body(body.to_string());
        let answer = answer.send().await.unwrap();
        assert!(answer.status().is_success(), "{method} {path}: {}", answer.text().await.unwrap());
        answer.json().await.unwrap()
    }

    /// Opens an upload of the file by one of the doors that take bytes in order.
    async fn open(&self, door: &str) -> String {
        let located = |answer: Response| {
            let location = answer.headers()["location"].to_str().unwrap().to_owned();
            location.rsplit('/').next().unwrap().to_owned()
        };
        match door {
            "native" => {
                let wish = json!({"filename": "a.txt", "size": FILE.len(), "method": "append"});
                let opened = self.json("POST", "/v1/uploads", wish).await;
                opened["upload"]["id"].as_str().unwrap().to_owned()
            }
            "tus" => located(self.tus("POST", "/tus").header("upload-length", FILE.len()).send().await.unwrap()),
            _ => {
                let request = self.ietf("POST", "/files").header("upload-complete", "?0");
                located(request.header("upload-length", FILE.len()).send().await.unwrap())
            }
        }
    }

    /// Sends a third of the file by one of those that know offsets.
    async fn send(&self, door: &str, id: &str, third: usize) {
        let (from, last) = (third * THIRD, third == 2);
        let request = match door {
            "tus" => self.tus("PATCH", &format!("/tus/{id}")).header("content-type", "application/offset+octet-stream"),
            _ => {
                let request =
                    self.ietf("PATCH", &format!("/files/{id}")).header("content-type", "application/partial-upload");
                request.header("upload-complete", if last { "?1" } else { "?0" })
            }
        };
        let answer = request.header("upload-offset", from).body(&FILE[from..from + THIRD]).send().await.unwrap();
        assert!(answer.status().is_success(), "{door}: {} {}", answer.status(), answer.text().await.unwrap());
    }

    /// Where each door believes the upload to stand.
    async fn offsets(&self, id: &str) -> [u64; 3] {
        let native = self.json("GET", &format!("/v1/uploads/{id}"), json!(null)).await;
        let said = |answer: Response| answer.headers()["upload-offset"].to_str().unwrap().parse().unwrap();
        let tus = said(self.tus("HEAD", &format!("/tus/{id}")).send().await.unwrap());
        let ietf = said(self.ietf("HEAD", &format!("/files/{id}")).send().await.unwrap());
        [native["received_bytes"].as_u64().unwrap(), tus, ietf]
    }

    /// The asset of an upload, ready, and how often what happened to it.
    async fn one_of_everything(&self, id: &str) {
        let upload = self.json("GET", &format!("/v1/uploads/{id}"), json!(null)).await;
        assert_eq!(upload["state"], "completed");
        let asset = upload["asset_id"].as_str().unwrap();
        let ready = self.json("GET", &format!("/v1/assets/{asset}?wait=20s&until=ready"), json!(null)).await;
        let digest = format!("sha256:{}", hex::encode(<sha2::Sha256 as sha2::Digest>::digest(FILE)));
        assert_eq!((&ready["state"], &ready["digest"]), (&json!("ready"), &json!(digest)));
        let events = self.0.database.store.list_events(asset.parse().unwrap(), 0, 100).await.unwrap();
        for once in ["asset.created", "upload.completed", "asset.stored", "asset.processing", "asset.ready"] {
            assert_eq!(events.iter().filter(|event| event.kind == once).count(), 1, "{once}: {events:?}");
        }
    }
}

on_both_services! {
    async fn what_comes_in_order_is_one_upload_at_every_door(service) {
        let anybody = Anybody(service);
        for (creator, senders) in [
            ("native", ["tus", "ietf", "tus"]),
            ("tus", ["ietf", "tus", "ietf"]),
            ("ietf", ["tus", "tus", "ietf"]),
        ] {
            let id = anybody.open(creator).await;
            for (third, sender) in senders.iter().enumerate() {
                assert_eq!(anybody.offsets(&id).await, [(third * THIRD) as u64; 3], "created by {creator}");
                anybody.send(sender, &id, third).await;
            }
            let again = anybody.json("POST", &format!("/v1/uploads/{id}/complete"), json!({})).await;
            assert_eq!(again["size"], FILE.len());
            anybody.one_of_everything(&id).await;
        }
        let list = anybody.json("GET", "/v1/assets", json!(null)).await;
        assert_eq!(list["assets"].as_array().unwrap().len(), 3);
    }

    async fn what_comes_in_parts_is_one_upload_at_every_door(service) {
        let anybody = Anybody(service);
        let put = async |url: &Value| {
            let put = requests::client().put(url.as_str().unwrap()).body(FILE);
            put.header("content-length", FILE.len()).send().await.unwrap().headers()["etag"].to_str().unwrap().to_owned()
        };
        // Opened by the native API, ended by Companion's.
        let wish = json!({"filename": "a.txt", "size": FILE.len(), "method": "multipart"});
        let opened = anybody.json("POST", "/v1/uploads", wish).await;
        let (id, asset) = (opened["upload"]["id"].as_str().unwrap(), opened["asset"]["id"].as_str().unwrap());
        let etag = put(&opened["multipart"]["urls"][0]["url"]).await;
        let at = format!("/s3/multipart/{id}");
        let listed = anybody.json("GET", &format!("{at}?key={asset}"), json!(null)).await;
        assert_eq!(listed[0]["Size"], FILE.len(), "{listed}");
        let parts = json!({"parts": [{"PartNumber": 1, "ETag": etag}]});
        anybody.json("POST", &format!("{at}/complete?key={asset}"), parts).await;
        anybody.one_of_everything(id).await;

        // And the other way round.
        let wish = json!({"filename": "a.txt", "type": "text/plain", "metadata": {}});
        let created = anybody.json("POST", "/s3/multipart", wish).await;
        let (id, key) = (created["uploadId"].as_str().unwrap(), created["key"].as_str().unwrap());
        let signed = anybody.json("GET", &format!("/s3/multipart/{id}/1?key={key}"), json!(null)).await;
        put(&signed["url"]).await;
        let seen = anybody.json("GET", &format!("/v1/uploads/{id}"), json!(null)).await;
        assert_eq!((&seen["protocol"], &seen["received_bytes"]), (&json!("companion"), &json!(FILE.len())));
        anybody.json("POST", &format!("/v1/uploads/{id}/complete"), json!({"parts": [{"part": 1}]})).await;
        anybody.one_of_everything(id).await;
    }
}
