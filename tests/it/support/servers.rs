//! The servers of `tests/servers.sh`: those that all tests share, and ones of a test's own, to be frozen and killed.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// What `tests/servers.sh` exported; it fails the test if it is not there.
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name}: start tests/servers.sh"))
}

/// The shared clamd, as `tcp://…`.
pub fn clamd() -> String {
    variable("GANTRY_TEST_CLAMD")
}

/// A server of the test's own, gone with its data when this is dropped.
pub struct Own {
    name: &'static str,
    dir: TempDir,
    /// Its address, the same after every restart.
    pub address: String,
}

impl Own {
    pub async fn clamd() -> Self {
        Self::start("clamd").await
    }

    /// One with the settings that clamd is shipped with: it does not say what it did not look into.
    pub async fn quiet_clamd() -> Self {
        Self::start("quiet_clamd").await
    }

    pub async fn nats() -> Self {
        Self::start("nats").await
    }

    pub async fn redis() -> Self {
        Self::start("redis").await
    }

    pub async fn rabbitmq() -> Self {
        Self::start("rabbitmq").await
    }

    /// Its users' data are gone with it; a restart is one after a crash.
    pub async fn postgres() -> Self {
        let mut own = Self { name: "postgres", dir: TempDir::new().unwrap(), address: String::new() };
        // It runs as a user of its own, who has to get through to its data.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o711);
        std::fs::set_permissions(own.dir.path(), open).unwrap();
        own.restart().await;
        own
    }

    pub async fn sqs() -> Self {
        Self::start("sqs").await
    }

    async fn start(name: &'static str) -> Self {
        let mut own = Self { name, dir: TempDir::new().unwrap(), address: String::new() };
        own.restart().await;
        own
    }

    /// Where it has its data.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn script(&self, word: &str) -> Output {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers.sh");
        let mut command = Command::new("bash");
        command.args([script, word]).arg(self.dir.path());
        if word != "stop" {
            command.arg(self.name);
        }
        command.output().unwrap()
    }

    /// Starts it, again, with the data and the port that it had.
    pub async fn restart(&mut self) {
        let output = tokio::task::block_in_place(|| self.script("start"));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{}: {}", self.name, String::from_utf8_lossy(&output.stderr));
        let mut words = said.split_whitespace().filter_map(|word| word.split_once('='));
        self.address = words.find(|(name, _)| name.starts_with("GANTRY_TEST_")).unwrap().1.to_owned();
    }

    /// kill -9.
    pub fn kill(&self) {
        assert!(tokio::task::block_in_place(|| self.script("kill")).status.success());
    }

    /// Nothing moves in it, and its connections stand.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    /// Of each process, and of the processes that it started.
    fn signal(&self, signal: &str) {
        let pids = std::fs::read_to_string(self.dir.path().join(format!("{}.pids", self.name))).unwrap();
        for pid in pids.lines() {
            assert!(Command::new("kill").args([signal, "--", &format!("-{pid}")]).status().unwrap().success());
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.script("stop");
    }
}
