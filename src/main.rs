//! The `gantry` binary: see [`gantry::cli`].

fn main() -> std::process::ExitCode {
    gantry::cli::run()
}
