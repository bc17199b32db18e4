//! `gantry admin webhooks`.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::lists::{AdminList, last_column, second};
use crate::cli::remote::server_args::ServerArgs;
use crate::cli::remote::table::{field, print_line};
use crate::client::error::Result;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct WebhooksArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(subcommand)]
    command: Option<WebhookCommand>,
}

#[derive(Subcommand)]
enum WebhookCommand {
    /// List what was sent to an endpoint.
    Deliveries(DeliveriesArgs),
    /// Send a delivery once more.
    Replay {
        /// The endpoint's id.
        webhook: String,
        /// The delivery's id.
        delivery: String,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Send a test to an endpoint.
    Test {
        /// The endpoint's id.
        webhook: String,
        #[command(flatten)]
        server: ServerArgs,
    },
}

#[derive(Args)]
struct DeliveriesArgs {
    /// The endpoint's id.
    webhook: String,
    /// Only in this state: pending, delivered or dead.
    #[arg(long)]
    state: Option<String>,
    /// Maximum number of lines.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    #[command(flatten)]
    server: ServerArgs,
}

impl WebhooksArgs {
    pub(super) async fn run(self) -> Result<()> {
        match self.command {
            None => self.print_webhooks().await,
            Some(WebhookCommand::Deliveries(list)) => list.run().await,
            Some(WebhookCommand::Replay { webhook, delivery, server }) => {
                let (api, reporter) = server.connect_for_requests()?;
                print_answer(&server, &api.replay_delivery(&webhook, &delivery, &reporter).await?)
            }
            Some(WebhookCommand::Test { webhook, server }) => {
                let (api, reporter) = server.connect_for_requests()?;
                print_answer(&server, &api.test_webhook(&webhook, &reporter).await?)
            }
        }
    }

    async fn print_webhooks(&self) -> Result<()> {
        let (api, reporter) = self.server.connect_for_requests()?;
        let list = api.get_json("listing webhook endpoints", "/v1/webhooks", &[], &reporter).await?;
        let endpoints = list["webhooks"].as_array().into_iter().flatten();
        endpoints
            .map(|row| if self.server.json { row.to_string() } else { webhook_row(row) })
            .try_for_each(|line| print_line(&line))
    }
}

impl DeliveriesArgs {
    async fn run(self) -> Result<()> {
        let list = AdminList {
            what: "listing deliveries",
            path: format!("/v1/webhooks/{}/deliveries", crate::client::calls::segment(&self.webhook)),
            member: "deliveries",
            headings: "ID                                    STATE      TRIES  CREATED              TYPE            PROBLEM",
            row: delivery_row,
        };
        list.print(&self.server, &[("state", &self.state)], self.limit).await
    }
}

fn webhook_row(webhook: &Value) -> String {
    let (id, state) = (field(webhook, "id"), field(webhook, "state"));
    format!("{id:36}  {state:8}  {}", last_column(webhook["url"].as_str()))
}

fn delivery_row(delivery: &Value) -> String {
    let (id, state, kind) = (field(delivery, "id"), field(delivery, "state"), field(delivery, "type"));
    let (tries, made) = (delivery["tries"].as_u64().unwrap_or(0), second(field(delivery, "created_at")));
    let problem = last_column(delivery["problem"].as_str());
    format!("{id:36}  {state:9}  {tries:>5}  {made:19}  {kind:14}  {problem}")
}

fn print_answer(server: &ServerArgs, delivery: &Value) -> Result<()> {
    if server.json { print_line(&delivery.to_string()) } else { print_line(field(delivery, "id")) }
}
