//! The `lakefold` binary; everything is in the library.

fn main() -> std::process::ExitCode {
    lakefold::cli::main()
}
