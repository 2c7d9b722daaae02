//! What clap knows of the commands, as completions for shells and as a man page.

use super::args::Cli;
use crate::error::{Kind, Result, ResultExt};
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

/// The name people type.
const NAME: &str = "lakefold";

/// What commands read from their environment, as a section of the page.
const ENVIRONMENT: &str = ".SH ENVIRONMENT\n\
    .TP\nLAKEFOLD_ENV\nThe environment, where \\-\\-env does not name one.\n\
    .TP\nNO_COLOR\nAny text in it: no colours.\n\
    .TP\nAWS_*\nCredentials, region and endpoint, as for any program that uses AWS.\n";

/// The completions of one shell.
pub fn completions(shell: Shell) -> String {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), NAME, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// One roff page: the program, then every command with its flags.
///
/// # Errors
/// The page cannot be put together.
pub fn page() -> Result<String> {
    let doing = "write the man page";
    let mut command = Cli::command();
    command.build();
    let mut page = Vec::new();
    let man = Man::new(command.clone());
    man.render_title(&mut page).or_error(Kind::Invariant, doing)?;
    man.render_name_section(&mut page).or_error(Kind::Invariant, doing)?;
    man.render_synopsis_section(&mut page).or_error(Kind::Invariant, doing)?;
    man.render_description_section(&mut page).or_error(Kind::Invariant, doing)?;
    man.render_options_section(&mut page).or_error(Kind::Invariant, doing)?;
    for sub in command.get_subcommands() {
        page.extend_from_slice(section(sub)?.as_bytes());
    }
    page.extend_from_slice(ENVIRONMENT.as_bytes());
    man.render_extra_section(&mut page).or_error(Kind::Invariant, doing)?;
    man.render_version_section(&mut page).or_error(Kind::Invariant, doing)?;
    String::from_utf8(page).or_error(Kind::Invariant, doing)
}

/// One command: its name as the heading, what it does, how it is called, its own flags.
fn section(command: &Command) -> Result<String> {
    let doing = "write the man page";
    // The flags of every command stand above, once.
    let own = command.clone().mut_args(|arg| {
        let everywhere = arg.is_global_set() || arg.get_id() == "help";
        arg.hide(everywhere)
    });
    let man = Man::new(own);
    let mut text = Vec::new();
    man.render_description_section(&mut text).or_error(Kind::Invariant, doing)?;
    man.render_synopsis_section(&mut text).or_error(Kind::Invariant, doing)?;
    man.render_options_section(&mut text).or_error(Kind::Invariant, doing)?;
    let text = String::from_utf8(text).or_error(Kind::Invariant, doing)?;
    let body = text.replace(".SH DESCRIPTION\n", "").replace(".SH SYNOPSIS\n", ".PP\n").replace(".SH OPTIONS\n", "");
    let title = format!("{NAME} {}", command.get_name()).to_uppercase();
    Ok(format!(".SH \"{title}\"\n{body}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_its_part_of_the_page() {
        let page = page().unwrap();
        for command in Cli::command().get_subcommands() {
            let title = format!(".SH \"LAKEFOLD {}\"", command.get_name().to_uppercase());
            assert_eq!(page.matches(&title).count(), 1, "{title}");
        }
        assert!(page.contains("forget") && page.contains("Exit codes:"));
        assert!(page.contains("LAKEFOLD_ENV"));
        assert_eq!(page.matches("Say more; twice").count(), 1, "flags of every command stand there once");
    }
}
