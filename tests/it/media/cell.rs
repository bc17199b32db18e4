//! The cell itself: what runs in it may be anything, so here it is programs that try to get out.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use gantry::media::{DecodeLimits, MediaSandbox};
use serde_json::{Value, json};

use super::{Bench, codes};
use crate::support::patience::eventually;

/// Runs a program in the cell, with one file to read and one to write.
fn locked_in(bench: &Bench, bounds: &Value, program: &str, args: &[&str]) -> Output {
    let (reads, writes) = (bench.path("in"), bench.path("out"));
    std::fs::write(&reads, "seen").unwrap();
    std::fs::write(&writes, "").unwrap();
    let program = Path::new(program).canonicalize().unwrap();
    let order = json!({"bounds": bounds, "reads": [reads], "writes": [writes], "work": {"tool": {"program": program, "args": args}}});
    Command::new(env!("CARGO_BIN_EXE_gantry")).args(["decode", &order.to_string()]).output().unwrap()
}

fn python(bench: &Bench, bounds: &Value, code: &str) -> Output {
    locked_in(bench, bounds, "/usr/bin/python3", &["-ISc", code])
}

fn usual() -> Value {
    json!({"memory": 1_u64 << 30, "cpu": 10, "output": 1 << 20})
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn this_machine_holds_files_in_altogether() {
    let sandbox = Bench::new().sandbox();
    assert_eq!(sandbox.probe_child().await.unwrap(), "full");
    assert_eq!(sandbox.find_missing_programs().await, [""; 0]);
}

#[test]
fn no_file_but_the_ordered_ones_can_be_read_or_written() {
    let bench = Bench::new();
    let input = bench.path("in").display().to_string();
    let seen = locked_in(&bench, &usual(), "/usr/bin/cat", &[&input]);
    assert_eq!(seen.stdout, b"seen", "{}", errors(&seen));
    std::fs::write(bench.path("other"), "SECRET").unwrap();
    let other = bench.path("other").display().to_string();
    for file in ["/etc/passwd", "/etc/hostname", "/proc/1/environ", "/proc/self/environ", &other] {
        let output = locked_in(&bench, &usual(), "/usr/bin/cat", &[file]);
        assert!(
            output.stdout.is_empty() && errors(&output).contains("Permission denied"),
            "{file}: {}",
            errors(&output)
        );
    }
    for code in [
        "open('IN', 'w')",
        "open('NEW', 'w')",
        "os.unlink('OUT')",
        "os.mkdir('NEW')",
        "os.symlink('/etc/passwd', 'NEW')",
        "os.listdir('DIR')",
    ] {
        let code = code.replace("IN", &input).replace("NEW", &bench.path("new").display().to_string());
        let code = code
            .replace("OUT", &bench.path("out").display().to_string())
            .replace("DIR", &bench.path("").display().to_string());
        let output = python(&bench, &usual(), &format!("import os\n{code}"));
        assert!(errors(&output).contains("Permission denied"), "{code}: {}", errors(&output));
    }
    let out = bench.path("out").display().to_string();
    let output = python(&bench, &usual(), &format!("open({out:?}, 'w').write('made')"));
    assert!(output.status.success() && std::fs::read(bench.path("out")).unwrap() == b"made", "{}", errors(&output));
}

#[test]
fn there_is_no_network_and_no_other_process() {
    let bench = Bench::new();
    for code in [
        "import socket; socket.socket()",
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
        "import socket; socket.socket(socket.AF_UNIX)",
        "import os; os.fork()",
        "import os; os.posix_spawn('/usr/bin/true', ['true'], {})",
        "import os; os.kill(os.getppid(), 0)",
        "import os; os.kill(1, 0)",
        "import os; os.execv('/usr/bin/cat', ['cat'])",
        "import os; os.memfd_create('x')",
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
        "import resource; resource.prlimit(0, resource.RLIMIT_CPU, (99, 99))",
        "import os; os.pidfd_open(os.getppid())",
    ] {
        let output = python(&bench, &usual(), code);
        let denied =
            ["not permitted", "Permission denied", "not allowed"].iter().any(|word| errors(&output).contains(word));
        assert!(!output.status.success() && denied, "{code}: {}", errors(&output));
    }
    let output =
        python(&bench, &usual(), "import os; print(dict(os.environ).keys() - {'LC_CTYPE'}, os.listdir('/usr') != [])");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "set() True", "{}", errors(&output));
}

#[test]
fn threads_are_allowed_and_new_privileges_are_not() {
    let bench = Bench::new();
    let output = python(
        &bench,
        &usual(),
        "import threading; t = threading.Thread(target=print, args=('ran',)); t.start(); t.join()",
    );
    assert_eq!(output.stdout, b"ran\n", "{}", errors(&output));
    let prctl = "import ctypes; print(ctypes.CDLL(None).prctl(39, 0, 0, 0, 0), ctypes.CDLL(None).prctl(21))";
    let output = python(&bench, &usual(), prctl);
    assert_eq!(output.stdout, b"1 2\n", "no_new_privs and seccomp's mode: {}", errors(&output));
}

#[test]
fn memory_time_and_output_have_an_end() {
    let bench = Bench::new();
    let output = python(&bench, &usual(), "x = bytearray(2 << 30)");
    assert!(errors(&output).contains("MemoryError"), "{}", errors(&output));
    let short = json!({"memory": 1_u64 << 30, "cpu": 1, "output": 1 << 20});
    let output =
        python(&bench, &short, "import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass");
    // Nothing but the limit on its processor time kills it. How long that takes depends on what else the machine does.
    assert_eq!(output.status.signal(), Some(9), "{}", errors(&output));
    let out = bench.path("out").display().to_string();
    let output = python(&bench, &usual(), &format!("open({out:?}, 'wb').write(bytes(2 << 20))"));
    assert!(!output.status.success() && bench.path("out").metadata().unwrap().len() <= 1 << 20);
}

/// Whether some process has this text among its arguments.
fn runs(text: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let command = |entry: std::fs::DirEntry| std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
    processes.map(command).any(|line| {
        String::from_utf8_lossy(&line).contains(text) && line.starts_with(env!("CARGO_BIN_EXE_gantry").as_bytes())
    })
}

#[tokio::test]
async fn a_file_that_never_ends_is_left_after_the_wall_limit() {
    let mut bench = Bench::new();
    bench.make("mkfifo endless.png");
    bench.limits = DecodeLimits { max_wall_time: Duration::from_secs(1), ..DecodeLimits::default() };
    let (file, out) = (bench.path("endless.png"), bench.path(""));
    let media_type = "image/png".parse().unwrap();
    let task = gantry::media::InspectionTask {
        file: &file,
        size: 9,
        media_type: &media_type,
        sizes: &[],
        out: &out,
        source: None,
    };
    let begun = Instant::now();
    let report = bench.sandbox().examine(&task).await.unwrap();
    assert_eq!(codes(&report), ["decoder_time"]);
    assert!((1..30).contains(&begun.elapsed().as_secs()));
    eventually("the child is gone", async || !runs(file.to_str().unwrap())).await;
    // Nor does it outlive whoever asked.
    let patient = MediaSandbox::new(DecodeLimits::default()).with_program(env!("CARGO_BIN_EXE_gantry").into());
    tokio::select! {
        _ = patient.examine(&task) => panic!("it has an end"),
        () = eventually("the child runs", async || runs(file.to_str().unwrap())) => {}
    }
    eventually("the child does not outlive the future", async || !runs(file.to_str().unwrap())).await;
}

#[tokio::test]
async fn what_is_ours_is_trouble_and_not_a_problem_of_the_file() {
    let bench = Bench::new();
    bench.make("printf x > a.png");
    let (file, media_type) = (bench.path("a.png"), "image/png".parse().unwrap());
    let out = bench.path("");
    let task = |file| gantry::media::InspectionTask {
        file,
        size: 9,
        media_type: &media_type,
        sizes: &bench.sizes,
        out: &out,
        source: None,
    };
    let nobody = bench.sandbox().with_program("/nonexistent".into());
    for outcome in [nobody.examine(&task(&file)).await, bench.sandbox().examine(&task(&bench.path("gone.png"))).await] {
        assert!(matches!(outcome, Err(gantry::media::MediaError::Internal(_))), "{outcome:?}");
    }
}
