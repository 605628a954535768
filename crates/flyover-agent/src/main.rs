//! The agent's program: everything is in the library.

fn main() -> std::process::ExitCode {
    flyover_agent::run()
}
