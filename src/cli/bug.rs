//! What is said when lakefold trips over itself: where, and never over what, which may be a document's content (P10).

use super::{exit, printer};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, set_hook};

/// Carries out `work`; a panic in it becomes one line on stderr and the exit code of a failure. Of panics after it nothing
/// is said.
pub(super) fn contained(work: impl FnOnce() -> u8) -> u8 {
    set_hook(Box::new(|panic| printer::talk(line(panic.location()).as_bytes())));
    // What a panic leaves half done is this process's memory alone, which ends here; the lake is made for being left.
    let code = catch_unwind(AssertUnwindSafe(work)).unwrap_or(exit::FAILED);
    // When the runtime ends, tasks of MongoDB's driver that still say good-bye to the server may find its connections gone
    // before them, and panic for it. Nothing comes of it.
    set_hook(Box::new(|_| ()));
    code
}

fn line(location: Option<&Location<'_>>) -> String {
    let place =
        location.map_or_else(|| "an unknown place".to_owned(), |at| format!("{}:{}", short(at.file()), at.line()));
    format!("error: lakefold panicked at {place} (a bug, or a damaged file of the lake: please report this line)\n")
}

/// The crate and what follows: where it was built says nothing.
fn short(file: &str) -> &str {
    let crates = file.rfind("/src/").and_then(|src| file[..src].rfind('/'));
    crates.map_or(file, |at| &file[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// In a process of its own, whose hook it is.
    #[test]
    fn a_panic_is_told_until_the_work_is_done() {
        const CHILD: &str = "LAKEFOLD_TEST_OF_PANICS";
        if std::env::var_os(CHILD).is_some() {
            assert_eq!(contained(|| panic!("of the work")), exit::FAILED);
            std::thread::spawn(|| panic!("of the end")).join().unwrap_err();
            return;
        }
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "cli::bug::tests::a_panic_is_told_until_the_work_is_done", "--nocapture"]);
        let ended = child.env(CHILD, "1").output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success() && said.matches("panicked at").count() == 1, "{said}");
    }

    #[test]
    fn the_line_says_where_and_not_where_it_was_built() {
        assert_eq!(
            short("/home/x/.cargo/registry/src/index-1/parquet-59.3.2/src/file/reader.rs"),
            "parquet-59.3.2/src/file/reader.rs"
        );
        assert_eq!(short("src/shape/shaper.rs"), "src/shape/shaper.rs");
        assert!(line(Some(Location::caller())).starts_with("error: lakefold panicked at src/cli/bug.rs:"));
    }
}
