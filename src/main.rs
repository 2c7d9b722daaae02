//! The `lakefold` binary; everything is in the library.

// glibc keeps an arena for every thread: its fragments alone broke the promise on memory (P10).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    lakefold::cli::main()
}
