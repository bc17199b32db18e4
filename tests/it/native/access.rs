//! What belongs to another tenant answers like what does not exist. Who may do what is in `contract::access`.

use super::ready;
use crate::support::requests;
use crate::{on_both_services, transcript};

on_both_services! {
    async fn a_foreign_id_answers_like_an_unknown_one(service) {
        let names = ready(service, "a.txt", "hello").await;
        let foreign = service.foreign_key("other").await;
        let unknown = "01900000-0000-7000-8000-000000000000";
        let client = requests::client();
        let paths = ["/v1/assets/{}", "/v1/assets/{}/content", "/v1/uploads/{}"];
        let ids = [&names["asset"], &names["asset"], &names["upload"]];
        for (path, id) in paths.iter().zip(ids) {
            let ask = async |id: &str| {
                let url = format!("{}{}", service.base, path.replace("{}", id));
                let answer = client.get(url).bearer_auth(&foreign).header("x-request-id", "same").send().await.unwrap();
                let mut headers: Vec<_> =
                    answer.headers().iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
                headers.retain(|header| !header.starts_with("date"));
                (answer.status(), headers, answer.text().await.unwrap())
            };
            assert_eq!(ask(id).await, ask(unknown).await);
        }
        transcript!(service, r#"
            @ $foreign
            > GET /v1/assets
            < 200 {"assets": []}
            > DELETE /v1/assets/$asset
            < 404
            > PATCH /v1/assets/$asset {}
            < 404
            > POST /v1/assets/$asset/links {}
            < 404
        "#, foreign = foreign, asset = names["asset"]);
    }
}
