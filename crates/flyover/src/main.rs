//! The command line: parses, hands over to the rooms below, and prints.

mod cli;

fn main() -> std::process::ExitCode {
    cli::run()
}
