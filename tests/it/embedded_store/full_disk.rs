//! A real file system that is full: refused cleanly, nothing half done, recovered when there is space again.

use std::path::Path;
use std::process::Command;

use aws_sdk_s3::primitives::ByteStream;

use super::harness::{BUCKET, Server, code, complete, create, get, noise, part_of, plain_client, put, settings};

/// A tmpfs of its own; needs root, and says so when that is missing.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    fn new(size: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir.path()).status();
        assert!(mount.unwrap().success(), "this test mounts a tmpfs and must run as root");
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn free(path: &Path) -> u64 {
    let stat = rustix::fs::statvfs(path).unwrap();
    stat.f_bavail * stat.f_frsize
}

#[tokio::test]
async fn the_floor_refuses_uploads_and_lets_everything_else_go_on() {
    let disk = Tmpfs::new("64m");
    let mut settings = settings(disk.path());
    settings.min_free = 8 << 20;
    let server = Server::on(settings).await;
    let client = plain_client(server.address);
    let (mut stored, mut refused) = (Vec::new(), 0);
    let id = create(&client, "m").await;
    let part = part_of(&client, "m", &id, 1, noise(99, 6 << 20)).await;
    for index in 0..20 {
        let key = format!("k{index}");
        let put = client.put_object().bucket(BUCKET).key(&key).body(ByteStream::from(noise(index, 5 << 20)));
        match put.send().await {
            Ok(_) => stored.push((key, index)),
            Err(error) => {
                assert_eq!(error.raw_response().unwrap().status().as_u16(), 507);
                refused += 1;
            }
        }
    }
    assert!(stored.len() > 5 && refused > 5, "{} {refused}", stored.len());
    assert!(free(disk.path()) >= 8 << 20);
    for (key, seed) in &stored {
        assert!(get(&client, key).await == noise(*seed, 5 << 20), "reads keep working");
    }
    complete(&client, "m", &id, vec![part]).await.expect("completing needs no space to speak of");
    server.await_files(stored.len() + 1).await;
    for (key, _) in stored.drain(..3) {
        client.delete_object().bucket(BUCKET).key(key).send().await.unwrap();
    }
    server.store.sweep().await.unwrap();
    put(&client, "after", &noise(7, 5 << 20)).await;
    assert!(get(&client, "after").await == noise(7, 5 << 20));
}

/// Somebody else fills the disk to the last byte while we write.
#[tokio::test]
async fn without_a_floor_the_kernel_says_so_and_nothing_breaks() {
    let disk = Tmpfs::new("48m");
    let server = Server::on(settings(disk.path())).await;
    let client = plain_client(server.address);
    put(&client, "kept", &noise(1, 3 << 20)).await;
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, noise(2, usize::try_from(free(disk.path())).unwrap())).ok();
    assert_eq!(free(disk.path()), 0);
    for size in [1, 100_000, 5 << 20] {
        let put = client.put_object().bucket(BUCKET).key("new").body(ByteStream::from(noise(3, size))).send().await;
        assert_eq!(put.as_ref().unwrap_err().raw_response().unwrap().status().as_u16(), 507, "{size}");
        assert_eq!(code(put), "InsufficientStorage");
    }
    server.await_files(1).await;
    assert!(get(&client, "kept").await == noise(1, 3 << 20));
    // Metadata cannot grow either: a write is refused or done, never half done.
    for index in 0..200 {
        let create = client.create_multipart_upload().bucket(BUCKET).key(format!("m{index}")).send().await;
        if let Err(error) = create {
            assert_eq!(error.raw_response().unwrap().status().as_u16(), 507);
        }
    }
    std::fs::remove_file(&ballast).unwrap();
    put(&client, "new", &noise(4, 5 << 20)).await;
    assert!(get(&client, "new").await == noise(4, 5 << 20));
    server.store.sweep().await.unwrap();
    assert_eq!(server.files().len(), 2);
    let database = rusqlite::Connection::open(disk.path().join("meta.db")).unwrap();
    let check: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}
